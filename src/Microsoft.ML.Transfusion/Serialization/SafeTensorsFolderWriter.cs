// Writes a checkpoint as Hugging Face lays it out: one file, or from a size on several and an index.
// Other files of the folder, config.json and the like, are left alone.
using System.Text.RegularExpressions;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Serialization;

internal static partial class SafeTensorsFolderWriter
{
    public const long DefaultShardSize = 5_000_000_000;

    /// <summary>Replaces the folder's checkpoint. While it is written the old one stays; cut off at the renaming, the folder holds the old one,
    /// the new one, or none that can be opened, and never a mixture. The same tensors give the same bytes.</summary>
    /// <param name="folder">Made where there is none.</param>
    /// <param name="metadata">Goes into every file.</param>
    /// <param name="maxShardSize">Bytes of tensors in one file; a tensor larger than that has a file of its own.</param>
    public static void Write(string folder, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null,
        long maxShardSize = DefaultShardSize)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxShardSize);
        Directory.CreateDirectory(folder);
        string index = Path.Combine(folder, SafeTensorsIndex.FileName), single = Path.Combine(folder, SafeTensorsFolder.SingleFile);
        List<Dictionary<string, Tensor>> shards = Split(tensors, maxShardSize);
        if (shards.Count <= 1)
        {
            AtomicFile.Write(single, stream => SafeTensors.Write(stream, tensors, metadata));
            DeleteAllBut(folder, [SafeTensorsFolder.SingleFile]);
            return;
        }
        string[] names = [.. Enumerable.Range(1, shards.Count).Select(number => $"model-{number:d5}-of-{shards.Count:d5}.safetensors")];
        var contents = new SafeTensorsIndex(
            shards.Zip(names).SelectMany(pair => pair.First.Keys.Select(name => (name, pair.Second))).ToDictionary(), tensors.Values.Sum(BytesOf));
        AtomicFile.WriteAll(
            [
                .. shards.Zip(names, (shard, name) => (Path.Combine(folder, name), (Action<Stream>)(stream => SafeTensors.Write(stream, shard, metadata)))),
                (index, contents.Write),
            ],
            beforeRenaming: () => File.Delete(index));             // an old index must not find new files under old names
        DeleteAllBut(folder, [SafeTensorsIndex.FileName, .. names]);
    }

    /// <summary>Fills one shard after the other, in the order of the names.</summary>
    private static List<Dictionary<string, Tensor>> Split(IReadOnlyDictionary<string, Tensor> tensors, long maxShardSize)
    {
        List<Dictionary<string, Tensor>> shards = [];
        long room = 0;
        foreach ((string name, Tensor tensor) in tensors.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            if (shards.Count == 0 || BytesOf(tensor) > room)
            {
                shards.Add([]);
                room = maxShardSize;
            }
            shards[^1].Add(name, tensor);
            room -= BytesOf(tensor);
        }
        return shards;
    }

    /// <summary>Deletes what is left of the checkpoint before, which other readers would find: the single file takes precedence over an index.</summary>
    private static void DeleteAllBut(string folder, string[] kept)
    {
        foreach (string path in Directory.GetFiles(folder))
        {
            string name = Path.GetFileName(path);
            if (!kept.Contains(name) && (name is SafeTensorsFolder.SingleFile or SafeTensorsIndex.FileName || ShardName().IsMatch(name)))
                File.Delete(path);
        }
    }

    private static long BytesOf(Tensor tensor) => tensor.NumberOfElements * tensor.ElementSize;

    [GeneratedRegex(@"^model-\d{5}-of-\d{5}\.safetensors$")]
    private static partial Regex ShardName();
}
