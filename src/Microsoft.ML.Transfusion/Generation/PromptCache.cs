// Prompts that were read lately, so that calls with one prompt, a system's instruction or a picture that many ask about, read it once.
using Microsoft.ML.Transfusion.Modeling;

namespace Microsoft.ML.Transfusion.Generation;

/// <param name="maxBytes">Memory for keys and values; the prompts that were used longest ago make room.</param>
internal sealed class PromptCache(long maxBytes) : IDisposable
{
    private readonly LinkedList<(UInt128 Prompt, RowCache Cache, float[] Logits)> _recent = [];
    private long _bytes;

    /// <summary>A row of its own that has read the prompt, and what followed from that; null: it is not known.</summary>
    /// <param name="capacity">Of the row, from the prompt's length.</param>
    public (RowCache Cache, float[] Logits)? Find(UInt128 prompt, Func<int, int> capacity)
    {
        for (var node = _recent.First; node is not null; node = node.Next)
        {
            if (node.Value.Prompt != prompt)
                continue;
            _recent.Remove(node);
            _recent.AddFirst(node);
            return (node.Value.Cache.Clone(capacity(node.Value.Cache.Length)), node.Value.Logits);
        }
        return null;
    }

    /// <summary>Takes over a row that has read the prompt and nothing else; without the room it had for more, where that is most of it.</summary>
    public void Add(UInt128 prompt, RowCache read, float[] logits)
    {
        if (read.Capacity > 2 * read.Length)
        {
            RowCache compact = read.Clone(read.Length);
            read.Dispose();
            read = compact;
        }
        _recent.AddFirst((prompt, read, logits));
        _bytes += read.Bytes;
        for (; _bytes > maxBytes; _recent.RemoveLast())
        {
            _bytes -= _recent.Last!.Value.Cache.Bytes;
            _recent.Last.Value.Cache.Dispose();
        }
    }

    public void Dispose()
    {
        foreach ((_, RowCache cache, _) in _recent)
            cache.Dispose();
        _recent.Clear();
    }
}
