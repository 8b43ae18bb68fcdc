// A row in a DataCache: its number and how many parts it has, then a line for each part that says where the part's contents are.
using System.Runtime.CompilerServices;

namespace Microsoft.ML.Transfusion.Data;

internal enum StoredPartKind
{
    Text,
    Tokens,
    Image8Bit,
    Image16Bit,
    Measured,
}

/// <param name="Address">Where the contents are.</param>
/// <param name="Length">Of a text its bytes in UTF-8, of tokens their number; of an image or a vector 0, since all have one size.</param>
/// <param name="Kind">What the contents are.</param>
internal readonly record struct StoredPart(long Address, int Length, StoredPartKind Kind);

/// <param name="Number">The row's place in the view.</param>
/// <param name="Count">Parts that it has.</param>
internal readonly record struct StoredRow(long Number, long Count)
{
    private static readonly int HeaderSize = Unsafe.SizeOf<StoredRow>(), PartSize = Unsafe.SizeOf<StoredPart>();

    public static StoredRow At(DataCache cache, long address) => cache.At<StoredRow>(address, 1)[0];

    /// <summary>The row's parts; changes to them stay.</summary>
    public static Span<StoredPart> Parts(DataCache cache, long address) => cache.At<StoredPart>(address + HeaderSize, (int)At(cache, address).Count);

    /// <summary>Makes room for a row, whose parts are then written into <see cref="Parts"/>.</summary>
    public static long Allocate(DataCache cache, long number, int count)
    {
        cache.Allocate(HeaderSize + count * PartSize, out long address);
        cache.At<StoredRow>(address, 1)[0] = new StoredRow(number, count);
        return address;
    }
}
