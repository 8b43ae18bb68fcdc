// What a model makes of a document that it is given rather than asked for.
namespace Microsoft.ML.Transfusion;

/// <summary>How well a model predicts one document.</summary>
/// <param name="LanguageLoss">Mean negative log-likelihood of the tokens learned in training — text, and the BOI and EOS around it — in nats; NaN without text.</param>
/// <param name="DiffusionLoss">Mean squared error of the denoising prediction at fixed timesteps and noise; NaN without images.</param>
/// <param name="TokenCount">Number of tokens in that mean.</param>
public readonly record struct TransfusionScore(float LanguageLoss, float DiffusionLoss, int TokenCount);
