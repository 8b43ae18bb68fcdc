namespace Microsoft.ML.Transfusion;

/// <summary>How far the drawing of an image is.</summary>
/// <param name="Image">Which image of the answer, from 0 on.</param>
/// <param name="Step">Denoising steps that are done, from 1 on.</param>
/// <param name="NumberOfSteps">How many there are.</param>
public sealed record GenerationProgress(int Image, int Step, int NumberOfSteps);
