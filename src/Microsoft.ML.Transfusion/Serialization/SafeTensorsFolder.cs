// A checkpoint in a folder, as Hugging Face lays it out: model.safetensors, or several such files and an index of which tensor is in which.
// Opening reads headers only; tensors are copied out one by one.
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Serialization;

internal sealed class SafeTensorsFolder : IDisposable
{
    public const string SingleFile = "model.safetensors";

    private readonly Dictionary<string, SafeTensorsFile> _files;                                       // by file name
    private readonly Dictionary<string, SafeTensorsFile> _fileOf = new(StringComparer.Ordinal);        // by tensor
    private readonly string _folder;

    private SafeTensorsFolder(string folder, Dictionary<string, SafeTensorsFile> files)
    {
        (_folder, _files) = (folder, files);
        foreach (SafeTensorsFile file in files.Values)
        {
            foreach (string name in file.Names)
                _fileOf.Add(name, file);
        }
    }

    /// <summary>Opens <c>model.safetensors</c>, or where there is none <c>model.safetensors.index.json</c> and every file that it names.</summary>
    /// <exception cref="FileNotFoundException">The folder has neither.</exception>
    /// <exception cref="FormatException">A file is malformed or missing, or index and files do not agree; the message names file and tensor.</exception>
    public static SafeTensorsFolder Open(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        string single = Path.Combine(folder, SingleFile), index = Path.Combine(folder, SafeTensorsIndex.FileName);
        if (!File.Exists(single) && !File.Exists(index))
            throw new FileNotFoundException($"The folder '{folder}' has neither '{SingleFile}' nor '{SafeTensorsIndex.FileName}'.", single);
        Dictionary<string, SafeTensorsFile> files = new(StringComparer.Ordinal);
        try
        {
            if (File.Exists(single))
                files.Add(SingleFile, SafeTensorsFile.Open(single));
            else
                OpenIndexed(folder, SafeTensorsIndex.Read(index).FileOf, files);
            return new SafeTensorsFolder(folder, files);
        }
        catch
        {
            DisposeAll(files);
            throw;
        }
    }

    /// <summary>The names of all tensors, sorted.</summary>
    public IEnumerable<string> Names => _fileOf.Keys.Order(StringComparer.Ordinal);

    /// <summary>The strings that the files carry beside the tensors; where files disagree, the first one's.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _files.OrderBy(file => file.Key, StringComparer.Ordinal)
        .SelectMany(file => file.Value.Metadata).DistinctBy(pair => pair.Key).ToDictionary(StringComparer.Ordinal);

    public bool Contains(string name) => _fileOf.ContainsKey(name);

    /// <summary>A tensor's type, shape and size, without its values.</summary>
    /// <exception cref="KeyNotFoundException">There is none of that name.</exception>
    public SafeTensorsEntry this[string name] => FileWith(name).TryGetEntry(name, out SafeTensorsEntry? entry) ? entry : throw new KeyNotFoundException();

    /// <inheritdoc cref="SafeTensorsFile.Read"/>
    public Tensor Read(string name) => FileWith(name).Read(name);

    public void Dispose() => DisposeAll(_files);

    private SafeTensorsFile FileWith(string name) =>
        _fileOf.TryGetValue(name, out SafeTensorsFile? file) ? file : throw new KeyNotFoundException($"The checkpoint '{_folder}' has no tensor '{name}'.");

    private static void OpenIndexed(string folder, IReadOnlyDictionary<string, string> fileOf, Dictionary<string, SafeTensorsFile> files)
    {
        foreach ((string name, string file) in fileOf)
        {
            string path = Path.Combine(folder, file);
            if (!File.Exists(path))
                throw new FormatException($"'{SafeTensorsIndex.FileName}' in '{folder}' places tensor '{name}' in '{file}', which is missing. Fetch the checkpoint again.");
            if (!files.TryGetValue(file, out SafeTensorsFile? opened))
                files.Add(file, opened = SafeTensorsFile.Open(path));
            if (!opened.TryGetEntry(name, out _))
                throw new FormatException($"'{SafeTensorsIndex.FileName}' in '{folder}' places tensor '{name}' in '{file}', which does not hold it.");
        }
        foreach ((string file, SafeTensorsFile opened) in files)
        {
            foreach (string name in opened.Names)
            {
                if (!fileOf.TryGetValue(name, out string? home))
                    throw new FormatException($"'{file}' in '{folder}' holds tensor '{name}', of which '{SafeTensorsIndex.FileName}' does not know.");
                if (home != file)
                    throw new FormatException($"Tensor '{name}' is in two files of '{folder}': '{home}' and '{file}'.");
            }
        }
    }

    private static void DisposeAll(Dictionary<string, SafeTensorsFile> files)
    {
        foreach (SafeTensorsFile file in files.Values)
            file.Dispose();
    }
}
