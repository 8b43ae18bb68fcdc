// A trained model as one stream of bytes, the same in a file of its own and inside an ML.NET zip: config.json, the tokenizer's files and
// model.safetensors in a sealed archive. docs/model-format.md describes it.
using System.IO.Compression;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Serialization;

/// <summary>What a model archive holds. Weights that were read are on the CPU and belong to the dispose scope around the call, or to the caller
/// where there is none. <c>Extra</c> is whatever else the writer wanted kept, by name.</summary>
internal sealed record ModelArchive(
    TransfusionConfig Config,
    TextTokenizer Tokenizer,
    IReadOnlyDictionary<string, Tensor> Weights,
    StoredAutoencoder? Autoencoder,
    IReadOnlyDictionary<string, string> Extra)
{
    private const string ConfigFile = "config.json";
    private const string ExtraFile = "extra.json";
    private const string WeightsFile = "model.safetensors";

    /// <summary>Writes from the stream's position on; the stream need not seek and stays open.</summary>
    public static void Write(Stream stream, TransfusionConfig config, TextTokenizer tokenizer,
        IReadOnlyDictionary<string, Tensor> weights, IReadOnlyDictionary<string, string>? extra = null, StoredAutoencoder? autoencoder = null) => SealedArchive.Write(stream, ArchiveKind.Model,
        [
            SealedArchive.JsonEntry(ConfigFile, config),
            SealedArchive.JsonEntry(ExtraFile, extra ?? new Dictionary<string, string>()),
            .. SealedArchive.TokenizerEntries(tokenizer),
            (WeightsFile, entry => SafeTensors.Write(entry, weights)),
            .. autoencoder is null ? [] : AutoencoderArchive.Entries(autoencoder),
        ]);

    /// <summary>Reads from the stream's position to its end; the stream need not seek and stays open.</summary>
    /// <exception cref="FormatException">The bytes are no model, or a damaged or truncated one, or one of a newer format; the message says which, and what to do.</exception>
    public static ModelArchive Read(Stream stream) => SealedArchive.FromStart(stream, ReadSealed);

    private static ModelArchive ReadSealed(Stream stream)
    {
        using SealedArchive archive = SealedArchive.Open(stream, ArchiveKind.Model);
        var config = archive.ReadJson<TransfusionConfig>(ConfigFile);
        var extra = archive.ReadJson<Dictionary<string, string>>(ExtraFile);
        TextTokenizer tokenizer = archive.ReadTokenizer();
        ZipArchiveEntry weights = archive[WeightsFile];
        using Stream contents = weights.Open();
        return new ModelArchive(config, tokenizer, SafeTensors.Read(contents, weights.Length), config.Latents is null ? null : AutoencoderArchive.Read(archive), extra);
    }
}
