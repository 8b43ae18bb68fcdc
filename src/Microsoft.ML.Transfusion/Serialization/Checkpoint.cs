// A run between two steps, as one file: run.json, the vocabulary and every tensor of the state in a sealed archive. docs/checkpoints.md
// describes it. Tensors are streamed out of the state and into it, so that neither way needs the memory twice.
using System.IO.Compression;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Torch;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Serialization;

/// <summary>An open checkpoint, every byte of which has been checked.</summary>
internal sealed class Checkpoint : IDisposable
{
    private const string RecordFile = "run.json";
    private const string StateFile = "state.safetensors";

    private readonly FileStream _file;
    private readonly SealedArchive _archive;

    private Checkpoint(FileStream file)
    {
        _file = file;
        _archive = SealedArchive.Open(file, ArchiveKind.Checkpoint);
        Record = _archive.ReadJson<CheckpointRecord>(RecordFile);
        Tokenizer = _archive.ReadTokenizer();
    }

    public string Path => _file.Name;

    public CheckpointRecord Record { get; }

    public TextTokenizer Tokenizer { get; }

    public static void Write(Stream stream, CheckpointRecord record, TextTokenizer tokenizer, TrainingState state) =>
        SealedArchive.Write(stream, ArchiveKind.Checkpoint,
        [
            SealedArchive.JsonEntry(RecordFile, record),
            .. SealedArchive.TokenizerEntries(tokenizer),
            (StateFile, entry => SafeTensors.Write(entry, state.Tensors().ToDictionary(tensor => tensor.Name, tensor => tensor.Value))),
        ]);

    /// <exception cref="FormatException">The file is damaged, truncated, of a newer format, or no checkpoint.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Checkpoint Open(string path)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
        try
        {
            return new Checkpoint(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Overwrites a state of the same network and optimizer.</summary>
    /// <exception cref="FormatException">The file's tensors are not those of the state.</exception>
    public void Restore(TrainingState state)
    {
        ZipArchiveEntry entry = _archive[StateFile];
        using Stream contents = entry.Open();
        SafeTensorsHeader header = SafeTensorsHeader.Read(contents, entry.Length, $"'{StateFile}' in '{Path}'");
        Dictionary<string, Tensor> tensors = state.Tensors().ToDictionary(tensor => tensor.Name, tensor => tensor.Value);
        string[] differing =
        [
            .. header.Entries.Where(stored => !(tensors.TryGetValue(stored.Name, out Tensor? tensor)
                && stored.Type.Scalar == tensor.dtype && stored.Shape.AsSpan().SequenceEqual(tensor.shape))).Select(stored => stored.Name),
            .. tensors.Keys.Except(header.Entries.Select(stored => stored.Name)),
        ];
        if (differing.Length > 0)
            throw new FormatException($"The checkpoint '{Path}' was not made by this version of the library, or is not of this network: it differs in {string.Join(", ", differing)}.");
        foreach (SafeTensorsEntry stored in header.Entries)
            TensorBytes.Fill(tensors[stored.Name], contents.ReadExactly);
        Record.Counters.CopyTo(state);
        state.Restored();
    }

    public void Dispose()
    {
        _archive.Dispose();
        _file.Dispose();
    }
}
