// The options that decide what a run is: a resumed one must have them unchanged, or its weights would mean nothing to it. All others may
// change from sitting to sitting; docs/checkpoints.md says why each.
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

internal static class RunOptions
{
    private const string Unset = "null";

    private static readonly JsonSerializerOptions Json = new() { Converters = { new JsonStringEnumConverter() } };

    // What only sets how far a coming step goes. Nothing that is stored was measured with it.
    private static readonly string[] Free =
    [
        .. ((string[])[nameof(OptimizerConfig.LearningRate), nameof(OptimizerConfig.FinalLearningRateRatio), nameof(OptimizerConfig.WarmupSteps),
            nameof(OptimizerConfig.MaxGradientNorm), nameof(OptimizerConfig.WeightDecay)]).Select(name => $"Optimizer.{name}"),
    ];

    /// <summary>Names as a program writes them, and values as text.</summary>
    /// <param name="config">What the network is made of, which a pretrained checkpoint may have decided.</param>
    /// <param name="vocabulary">The ready vocabulary; null where one is trained on the text.</param>
    /// <param name="precision">The number format that <see cref="TrainingPrecision.Auto"/> came to.</param>
    public static IReadOnlyDictionary<string, string> Of(TransfusionTrainer.Options options, TransfusionConfig config, IEnumerable<InputColumn> columns,
        TextTokenizer? vocabulary, ScalarType precision)
    {
        SortedDictionary<string, string> values = new(StringComparer.Ordinal)
        {
            ["ColumnNames"] = string.Join(", ", columns.Select(column => $"{column.Name} ({(column.IsText ? "text" : column.IsVector ? "vector" : "image")})")),
            ["Tokenizer"] = vocabulary is null ? $"trained on the text, {options.Tokenizer.VocabularySize} tokens" : $"ready, fingerprint {Fingerprint.Of(vocabulary.Save())}",
            [nameof(options.Precision)] = $"{precision}",
            [nameof(options.HorizontalFlip)] = $"{options.HorizontalFlip}",
            [nameof(options.FreezeTextPath)] = $"{options.FreezeTextPath}",
            [nameof(options.Autoencoder)] = options.Autoencoder is { } autoencoder ? $"fingerprint {Fingerprint.Of(autoencoder.Stored.Network.state_dict().Values)}" : Unset,
        };
        AddAll(values, config, options.Optimizer);
        return values;
    }

    /// <summary>Every option with its value in a checkpoint and now. One that the checkpoint's library did not have yet was what its default does.</summary>
    public static IEnumerable<ChangedOption> Compare(IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> now)
    {
        SortedDictionary<string, string> defaults = new(StringComparer.Ordinal);
        AddAll(defaults, new TransfusionConfig { Transformer = new() }, new OptimizerConfig());
        return before.Keys.Union(now.Keys).Order(StringComparer.Ordinal).Select(name => new ChangedOption(
            name, before.GetValueOrDefault(name) ?? defaults.GetValueOrDefault(name, Unset), now.GetValueOrDefault(name, Unset)));
    }

    private static void AddAll(SortedDictionary<string, string> values, TransfusionConfig config, OptimizerConfig optimizer)
    {
        AddAll(values, "Transformer", JsonSerializer.SerializeToNode(config.Transformer, Json));
        AddAll(values, "Diffusion", JsonSerializer.SerializeToNode(config.Diffusion, Json));
        AddAll(values, "Image", JsonSerializer.SerializeToNode(config.Image, Json));
        AddAll(values, "Latents", JsonSerializer.SerializeToNode(config.Latents, Json));
        AddAll(values, "Vector", JsonSerializer.SerializeToNode(config.Vector, Json));
        AddAll(values, "Optimizer", JsonSerializer.SerializeToNode(optimizer, Json));
        foreach (string name in Free)
            values.Remove(name);
    }

    private static void AddAll(SortedDictionary<string, string> values, string name, JsonNode? node)
    {
        if (node is JsonObject members)
        {
            foreach ((string member, JsonNode? value) in members)
                AddAll(values, $"{name}.{member}", value);
        }
        else
            values.Add(name, node?.ToString() ?? Unset);
    }
}

/// <summary>An option's value when a checkpoint was written, and now; they may be equal.</summary>
internal readonly record struct ChangedOption(string Name, string Before, string Now);
