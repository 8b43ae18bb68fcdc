// The weights of a Llama checkpoint, in whichever files they lie; opening reads names and shapes only.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Serialization;

internal sealed class LlamaWeightFiles : IDisposable
{
    private static readonly string[] MetaFiles = ["consolidated.safetensors", "consolidated.00.safetensors"];

    private readonly IDisposable _files;

    private LlamaWeightFiles(SafeTensorsFile file) =>
        (_files, Shapes, Read) = (file, file.Entries.ToDictionary(entry => entry.Name, entry => entry.Shape), file.Read);

    private LlamaWeightFiles(SafeTensorsFolder folder) =>
        (_files, Shapes, Read) = (folder, folder.Names.ToDictionary(name => name, name => folder[name].Shape), folder.Read);

    public IReadOnlyDictionary<string, long[]> Shapes { get; }

    /// <summary>Copies one tensor out, in the file's number format.</summary>
    public Func<string, Tensor> Read { get; }

    /// <exception cref="FormatException">There are none, they are malformed, or of a form that is not read.</exception>
    public static LlamaWeightFiles Open(string folder, LlamaNaming naming)
    {
        if (naming == LlamaNaming.Meta && MetaFiles.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists) is { } single)
            return new LlamaWeightFiles(SafeTensorsFile.Open(single));
        try
        {
            return new LlamaWeightFiles(SafeTensorsFolder.Open(folder));
        }
        catch (FileNotFoundException exception)
        {
            throw new FormatException(DescribePickles(folder, naming) ?? exception.Message, exception);
        }
    }

    public void Dispose() => _files.Dispose();

    private static string? DescribePickles(string folder, LlamaNaming naming)
    {
        string[] pickles = [.. Directory.EnumerateFiles(folder).Where(path => Path.GetExtension(path) is ".pth" or ".pt" or ".bin").Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
        string conversion = naming == LlamaNaming.Meta
            ? "safetensors.torch.save_file(torch.load('consolidated.00.pth', weights_only=True), 'consolidated.safetensors'). Of a model in several parts, take Hugging Face's form."
            : "transformers.AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, safe_serialization=True).";
        return pickles.Length == 0 ? null : $"The folder '{folder}' has its weights as Python pickles ({string.Join(", ", pickles)}), which this library does not read: "
            + $"reading one can run any program. Convert them once, in Python: {conversion}";
    }
}
