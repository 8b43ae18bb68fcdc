// Other people's Llamas: a folder of configuration, weights and vocabulary, in Hugging Face's layout or Meta's, becomes a network's text
// path; and the way back, in Hugging Face's layout.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Serialization;

/// <summary>A folder whose files are known to fit each other. Weights stay on the disk until they are copied.</summary>
internal sealed class LlamaCheckpoint
{
    private readonly string _folder;
    private readonly LlamaLayout _layout;

    private LlamaCheckpoint(string folder, LlamaConfigFile config, int rows)
    {
        (_folder, Transformer, Table) = (folder, config.Transformer, config.Table with { Rows = rows });
        _layout = new LlamaLayout(config.Transformer, rows, config.Naming);
    }

    /// <summary>The size of the transformer; its sequence length is what the checkpoint was made for.</summary>
    public TransformerConfig Transformer { get; }

    /// <summary>The rows of its token table, and which of them are special tokens.</summary>
    public TokenTable Table { get; }

    /// <summary>Reads the configuration and the weights' names and shapes.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FormatException">A file is missing, is no Llama's, or does not fit the others.</exception>
    public static LlamaCheckpoint Open(string folder)
    {
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"There is no folder '{folder}'.");
        string huggingFace = Path.Combine(folder, LlamaConfigFile.HuggingFaceName), meta = Path.Combine(folder, LlamaConfigFile.MetaName);
        string path = File.Exists(huggingFace) ? huggingFace : File.Exists(meta) ? meta : throw new FormatException(
            $"The folder '{folder}' has neither {LlamaConfigFile.HuggingFaceName} nor {LlamaConfigFile.MetaName}, so it is no Llama checkpoint.");
        LlamaConfigFile config = LlamaConfigFile.Read(path, File.ReadAllBytes(path));
        using LlamaWeightFiles weights = LlamaWeightFiles.Open(folder, config.Naming);
        LlamaTensor embedding = new LlamaLayout(config.Transformer, 1, config.Naming).Tensors.First();
        int rows = config.Table.Rows > 0 ? config.Table.Rows : (int?)weights.Shapes.GetValueOrDefault(embedding.Name)?[0] ?? 1;
        var checkpoint = new LlamaCheckpoint(folder, config, rows);
        try
        {
            checkpoint._layout.Require(weights.Shapes);
        }
        catch (FormatException exception)
        {
            throw new FormatException($"{folder}: {exception.Message} Do {Path.GetFileName(path)} and the weights belong together?", exception);
        }
        return checkpoint;
    }

    /// <summary>The vocabulary in the folder, or the one that is given in its place, with the table's special tokens.</summary>
    /// <exception cref="FormatException">There is none, or it has more ids than the table has rows.</exception>
    public TextTokenizer CreateTokenizer(TextTokenizer? given = null) => (given ?? LlamaTokenizerFiles.Find(_folder))?.For(Table) ?? throw new FormatException(
        $"The folder '{_folder}' has no vocabulary. Put the checkpoint's tokenizer.model or tokenizer.json into it, or give the vocabulary as Tokenizer.");

    /// <summary>Copies the weights into a network of this size. Rows for special tokens that the checkpoint lacks are drawn, column by column,
    /// from a normal distribution with the mean and the spread of its own rows: to the layers that were trained they look like other tokens.</summary>
    public void CopyTo(TransfusionNetwork network, Generator generator)
    {
        using LlamaWeightFiles weights = LlamaWeightFiles.Open(_folder, _layout.Naming);
        _layout.CopyTo(network, weights.Read);
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        foreach ((string name, Tensor table) in network.state_dict())
        {
            if (name is not ("embed_tokens.weight" or "lm_head.weight") || table.shape[0] == Table.Rows)
                continue;
            Tensor known = table.narrow(0, 0, Table.Rows), added = table.narrow(0, Table.Rows, table.shape[0] - Table.Rows);
            Tensor mean = known.mean([0]), spread = (known - mean).Squared().mean([0]).sqrt();        // [D]
            added.copy_((randn(added.shape, generator: generator) * spread.cpu()).Plus(mean.cpu()));
        }
    }

    /// <summary>Writes a network's text path and its vocabulary as a new folder in Hugging Face's layout, or nothing.</summary>
    /// <exception cref="IOException">The folder exists and is not empty.</exception>
    /// <exception cref="InvalidOperationException">The network has what no Llama has.</exception>
    public static void Write(string folder, TransfusionNetwork network, TextTokenizer tokenizer)
    {
        if (network.Config.QueryKeyNorm)
            throw new InvalidOperationException($"A Llama has no normalized queries and keys, so a model with {nameof(TransformerConfig.QueryKeyNorm)} cannot be exported as one. Train without it.");
        if (network.Config.PostNorm)
            throw new InvalidOperationException($"A Llama normalizes what its layers take, so a model with {nameof(TransformerConfig.PostNorm)} cannot be exported as one. Train without it.");
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (Directory.Exists(target) ? Directory.EnumerateFileSystemEntries(target).Any() : File.Exists(target))
            throw new IOException($"'{folder}' exists and is not empty; name a new folder.");
        string temporary = Path.Combine(Path.GetDirectoryName(target)!, $".{Path.GetFileName(target)}.{Guid.NewGuid():N}.tmp");
        try
        {
            using var scope = NewDisposeScope();
            var layout = new LlamaLayout(network.Config, tokenizer.VocabularySize, LlamaNaming.HuggingFace);
            SafeTensorsFolderWriter.Write(temporary, layout.CopyFrom(network), new Dictionary<string, string> { ["format"] = "pt" });   // transformers insists on it
            File.WriteAllBytes(Path.Combine(temporary, LlamaConfigFile.HuggingFaceName), LlamaConfigFile.Write(network.Config, tokenizer.VocabularySize, tokenizer.SpecialTokens));
            foreach ((string name, byte[] contents) in LlamaTokenizerFiles.Write(tokenizer))
                File.WriteAllBytes(Path.Combine(temporary, name), contents);
            if (Directory.Exists(target))
                Directory.Delete(target);
            Directory.Move(temporary, target);
        }
        finally
        {
            if (Directory.Exists(temporary))
                Directory.Delete(temporary, recursive: true);
        }
    }
}
