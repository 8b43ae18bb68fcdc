// The number formats that safetensors names, and what TorchSharp calls those it has.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

/// <param name="Bits">Width of one element; 0 where the name is not known and no size can be checked.</param>
/// <param name="Scalar">Null where TorchSharp has no such type.</param>
internal sealed record SafeTensorsType(string Name, int Bits, ScalarType? Scalar = null)
{
    private static readonly SafeTensorsType[] Known =
    [
        new("F64", 64, ScalarType.Float64), new("F32", 32, ScalarType.Float32), new("F16", 16, ScalarType.Float16), new("BF16", 16, ScalarType.BFloat16),
        new("I64", 64, ScalarType.Int64), new("I32", 32, ScalarType.Int32), new("I16", 16, ScalarType.Int16), new("I8", 8, ScalarType.Int8),
        new("U8", 8, ScalarType.Byte), new("BOOL", 8, ScalarType.Bool), new("C64", 64, ScalarType.ComplexFloat32),
        new("U64", 64), new("U32", 32), new("U16", 16),
        new("F8_E4M3", 8), new("F8_E5M2", 8), new("F8_E8M0", 8), new("F8_E4M3FNUZ", 8), new("F8_E5M2FNUZ", 8),
        new("F6_E2M3", 6), new("F6_E3M2", 6), new("F4", 4),
    ];

    /// <summary>The names of the types that can be read and written.</summary>
    public static string Readable { get; } = string.Join(", ", Known.Where(type => type.Scalar is not null).Select(type => type.Name));

    /// <summary>Whole bytes per element, for the types that TorchSharp has.</summary>
    public int Bytes => Bits / 8;

    public static SafeTensorsType Named(string name) => Array.Find(Known, type => type.Name == name) ?? new SafeTensorsType(name, 0);

    public static SafeTensorsType? Of(ScalarType type) => Array.Find(Known, known => known.Scalar == type);
}
