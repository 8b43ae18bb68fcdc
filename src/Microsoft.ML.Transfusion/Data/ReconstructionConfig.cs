// What a transformer that reconstructs pictures saves beside the autoencoder.
namespace Microsoft.ML.Transfusion.Data;

/// <param name="ImageHeight">Pictures are fitted to this height.</param>
/// <param name="ImageWidth">And to this width.</param>
/// <param name="BatchSize">Rows that are read ahead and go through the network together.</param>
internal sealed record ReconstructionConfig(string InputName, string OutputName, int ImageHeight, int ImageWidth, int BatchSize)
{
    public ScoringConfig Scoring => new([new OutputColumn(OutputName, OutputKind.Image, [new InputColumn(InputName, IsImage: true)])], GenerationOptions.Fast, BatchSize);

    /// <summary>Pictures of that size; the rest does not count.</summary>
    public TransfusionConfig Pictures => new() { Image = new ImageCodecConfig { ImageHeight = ImageHeight, ImageWidth = ImageWidth, PatchSize = 1 } };
}
