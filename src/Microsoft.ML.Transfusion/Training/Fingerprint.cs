// Short names for data that is too large to keep: a run that is taken up again must see the same documents and frozen weights.
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

internal static class Fingerprint
{
    private const int PicturesLookedAt = 256;                      // the data may be larger than memory

    /// <summary>Of all texts and layouts in their order, and of the pixels of some 256 pictures spread evenly over the documents.</summary>
    public static string Of(IReadOnlyList<Document> documents)
    {
        var hash = new XxHash128();
        int stride = (documents.Count + PicturesLookedAt - 1) / PicturesLookedAt;
        for (int at = 0; at < documents.Count; at++)
        {
            foreach (DocumentPart part in documents[at].Parts)
            {
                int[] ids = part is TextPart text ? text.TokenIds : [];
                hash.Append(MemoryMarshal.AsBytes<int>([part is TextPart ? ids.Length : -1]));
                hash.Append(MemoryMarshal.AsBytes<int>(ids));
                if (part is not ImagePart image || at % stride != 0)
                    continue;
                using var scope = NewDisposeScope();               // stored latents come as new tensors
                TensorBytes.ForEachChunk(image.Latents, bytes => hash.Append(bytes));
            }
            hash.Append([0]);                                      // where a document ends
        }
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    /// <summary>Of tensors' values, in their order.</summary>
    public static string Of(IEnumerable<Tensor> tensors)
    {
        var hash = new XxHash128();
        foreach (Tensor tensor in tensors)
            TensorBytes.ForEachChunk(tensor, bytes => hash.Append(bytes));
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }

    /// <summary>Of files by name.</summary>
    public static string Of(IReadOnlyDictionary<string, byte[]> files)
    {
        var hash = new XxHash128();
        foreach ((string name, byte[] contents) in files.OrderBy(file => file.Key, StringComparer.Ordinal))
        {
            hash.Append(MemoryMarshal.AsBytes(name.AsSpan()));
            hash.Append(MemoryMarshal.AsBytes<int>([contents.Length]));
            hash.Append(contents);
        }
        return Convert.ToHexStringLower(hash.GetCurrentHash());
    }
}
