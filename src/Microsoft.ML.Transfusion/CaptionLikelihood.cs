namespace Microsoft.ML.Transfusion;

/// <summary>How likely the model finds a caption of a picture.</summary>
/// <param name="Caption">The caption.</param>
/// <param name="LogLikelihood">log p(caption, end | picture), natural logarithm, at most 0.</param>
/// <param name="NumberOfTokens">Its tokens, the end of the sequence included: divide by it to compare captions of different length.</param>
/// <param name="Probability">Its share among the candidates, in [0, 1]: the softmax of their log-likelihoods. They sum to 1.</param>
public sealed record CaptionLikelihood(string Caption, double LogLikelihood, int NumberOfTokens, double Probability);
