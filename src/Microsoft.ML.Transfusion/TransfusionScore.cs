// What a model makes of a document that it is given rather than asked for.
namespace Microsoft.ML.Transfusion;

/// <summary>How well a model predicts one document.</summary>
/// <param name="LanguageLoss">Mean negative log-likelihood of the text tokens, in nats; NaN without text.</param>
/// <param name="DiffusionLoss">Mean squared error of the denoising prediction at fixed timesteps and noise; NaN without images.</param>
/// <param name="TokenCount">Number of text tokens that were predicted.</param>
public readonly record struct TransfusionScore(float LanguageLoss, float DiffusionLoss, int TokenCount);
