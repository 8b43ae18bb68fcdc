using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Modeling;

namespace Microsoft.ML.Transfusion.Tests.Generation;

public sealed class PromptCacheTests
{
    private static readonly float[] Logits = [1, 2];

    [Fact]
    public void A_known_prompt_gives_a_row_of_its_own_that_has_read_it()
    {
        using var cache = new PromptCache(maxBytes: 1 << 20);
        cache.Add(7, Read(positions: 3), Logits);

        (RowCache row, float[] logits) = cache.Find(7, length => length + 5)!.Value;
        using (row)
            Assert.Equal((3, 8), (row.Length, row.Capacity));
        Assert.Equal(Logits, logits);
        Assert.Null(cache.Find(8, length => length));
    }

    [Fact]
    public void The_prompt_that_was_used_longest_ago_makes_room()
    {
        using RowCache measured = Read(positions: 3);
        using var cache = new PromptCache(maxBytes: 2 * measured.Bytes);
        cache.Add(1, Read(positions: 3), Logits);
        cache.Add(2, Read(positions: 3), Logits);
        cache.Find(1, length => length)!.Value.Cache.Dispose();

        cache.Add(3, Read(positions: 3), Logits);

        Assert.Null(cache.Find(2, length => length));
        cache.Find(1, length => length)!.Value.Cache.Dispose();
        cache.Find(3, length => length)!.Value.Cache.Dispose();
    }

    [Fact]
    public void Room_for_much_more_than_the_prompt_is_given_back()
    {
        using RowCache measured = Read(positions: 3);
        using var cache = new PromptCache(maxBytes: 2 * measured.Bytes);
        cache.Add(1, Read(positions: 3, capacity: 1000), Logits);

        cache.Add(2, Read(positions: 3), Logits);

        cache.Find(1, length => length)!.Value.Cache.Dispose();
    }

    private static CpuRowCache Read(int positions, int? capacity = null)
    {
        var cache = new CpuRowCache(layers: 1, heads: 1, size: 16, capacity ?? positions);
        cache.Advance(positions);
        return cache;
    }
}
