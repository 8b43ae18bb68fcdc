// Calls an operator of libtorch by its name through libtorch's stable C ABI, for what TorchSharp does not wrap. About 14 µs a call: for
// coarse operators only. Every argument is one 64-bit word; tensors and lists are handles that the callee consumes.
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

internal static unsafe partial class Dispatcher
{
    private const ulong AbiVersion = (2UL << 56) | (10UL << 48);   // libtorch 2.10: later ones accept it

    /// <summary>Calls <c>aten::name.overload</c>; the stack holds the arguments and, afterwards, the results.</summary>
    public static void Call(ReadOnlySpan<byte> name, ReadOnlySpan<byte> overload, Span<ulong> stack)
    {
        fixed (byte* namePointer = name, overloadPointer = overload)
        fixed (ulong* stackPointer = stack)
            Check(torch_call_dispatcher(namePointer, overloadPointer, stackPointer, AbiVersion));
    }

    public static ulong Argument(Tensor tensor)
    {
        Check(aoti_torch_new_tensor_handle(tensor.Handle, out nint handle));
        return (ulong)handle;
    }

    public static ulong Argument(double value) => BitConverter.DoubleToUInt64Bits(value);

    /// <summary>An optional tensor that is given; 0 is one that is not.</summary>
    public static ulong Optional(Tensor tensor) => Box(Argument(tensor));

    /// <summary>An optional number that is given.</summary>
    public static ulong Optional(double value) => Box(Argument(value));

    public static ulong Argument(params ReadOnlySpan<Tensor> tensors)
    {
        Check(torch_new_list_reserve_size((nuint)tensors.Length, out nint list));
        foreach (Tensor tensor in tensors)
            Check(torch_list_push_back(list, Argument(tensor)));
        return (ulong)list;
    }

    public static ulong Argument(params ReadOnlySpan<long> sizes)
    {
        Check(torch_new_list_reserve_size((nuint)sizes.Length, out nint list));
        foreach (long size in sizes)
            Check(torch_list_push_back(list, (ulong)size));
        return (ulong)list;
    }

    private static ulong Box(ulong value)
    {
        var box = (ulong*)NativeMemory.Alloc(sizeof(ulong));        // the callee frees it
        *box = value;
        return (ulong)box;
    }

    private static void Check(int error)
    {
        if (error != 0)
            throw new InvalidOperationException($"libtorch's dispatcher returned error {error}; its message is on standard error.");
    }

    [LibraryImport("torch_cpu")]
    private static partial int torch_call_dispatcher(byte* name, byte* overload, ulong* stack, ulong version);

    [LibraryImport("torch_cpu")]
    private static partial int aoti_torch_new_tensor_handle(nint original, out nint handle);

    [LibraryImport("torch_cpu")]
    private static partial int torch_new_list_reserve_size(nuint size, out nint list);

    [LibraryImport("torch_cpu")]
    private static partial int torch_list_push_back(nint list, ulong value);
}
