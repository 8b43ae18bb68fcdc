// NumPy's .npz: a zip of .npy arrays, each a magic word, a Python dictionary of type and shape, and the values. Little-endian float64 is
// written; float64 and float32 in C order are read, which is what statistics of features are made of.
using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Transfusion.Serialization;

/// <param name="Values">Row after row; as many as the product of <paramref name="Shape"/>.</param>
internal sealed record NumpyArray(int[] Shape, double[] Values);

internal static partial class NumpyArchive
{
    private const int PrefixLength = 10, Alignment = 64;           // magic word, version, header length; where the values start

    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    public static void Write(Stream stream, IReadOnlyDictionary<string, NumpyArray> arrays)
    {
        using var zip = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true);
        foreach ((string name, NumpyArray array) in arrays)
        {
            ZipArchiveEntry entry = zip.CreateEntry($"{name}.npy", CompressionLevel.NoCompression);
            entry.LastWriteTime = new DateTime(1980, 1, 1);        // the same values give the same bytes
            using Stream file = entry.Open();
            string header = $"{{'descr': '<f8', 'fortran_order': False, 'shape': ({string.Concat(array.Shape.Select(length => $"{length}, "))}), }}";
            int length = (PrefixLength + header.Length + Alignment) / Alignment * Alignment - PrefixLength;
            file.Write([.. Magic, 1, 0, (byte)length, (byte)(length >> 8), .. Encoding.ASCII.GetBytes(header.PadRight(length - 1) + "\n")]);
            file.Write(MemoryMarshal.AsBytes(array.Values.AsSpan()));
        }
    }

    /// <param name="path">What messages call the file.</param>
    /// <exception cref="FormatException">The bytes are no such archive.</exception>
    public static Dictionary<string, NumpyArray> Read(Stream stream, string path)
    {
        try
        {
            using var zip = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
            return zip.Entries.Where(entry => entry.Name.EndsWith(".npy", StringComparison.Ordinal))
                .ToDictionary(entry => Path.GetFileNameWithoutExtension(entry.Name), ReadArray, StringComparer.Ordinal);
        }
        catch (Exception exception) when (exception is InvalidDataException or EndOfStreamException or ArgumentException or OverflowException)
        {
            throw new FormatException($"{path} is no .npz file of float64 or float32 arrays: {exception.Message}", exception);
        }
    }

    private static NumpyArray ReadArray(ZipArchiveEntry entry)
    {
        using Stream file = entry.Open();
        Span<byte> prefix = stackalloc byte[PrefixLength];
        file.ReadExactly(prefix);
        if (!prefix.StartsWith(Magic) || prefix[6] != 1)
            throw new InvalidDataException($"{entry.Name} is no .npy array of version 1.");
        byte[] text = new byte[BinaryPrimitives.ReadUInt16LittleEndian(prefix[8..])];
        file.ReadExactly(text);
        Match header = Header().Match(Encoding.ASCII.GetString(text));
        if (!header.Success)
            throw new InvalidDataException($"{entry.Name} is no array of float64 or float32 in C order: save it with np.ascontiguousarray.");
        int[] shape = [.. header.Groups["length"].Captures.Select(capture => int.Parse(capture.Value, CultureInfo.InvariantCulture))];
        int count = shape.Aggregate(1, (product, length) => checked(product * length)), size = header.Groups["size"].Value == "8" ? sizeof(double) : sizeof(float);
        if (entry.Length != PrefixLength + text.Length + (long)count * size)
            throw new InvalidDataException($"{entry.Name} holds more or fewer values than its shape says.");
        byte[] bytes = new byte[checked(count * size)];
        file.ReadExactly(bytes);
        return new NumpyArray(shape, size == sizeof(double) ? MemoryMarshal.Cast<byte, double>(bytes).ToArray()
            : [.. MemoryMarshal.Cast<byte, float>(bytes).ToArray().Select(value => (double)value)]);
    }

    [GeneratedRegex(@"^\{'descr': '<f(?<size>[48])', 'fortran_order': False, 'shape': \((?:(?<length>\d+)(?:, |,(?=\))|(?=\))))*\), \}\s*$")]
    private static partial Regex Header();
}
