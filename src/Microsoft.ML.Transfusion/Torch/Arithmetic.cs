// Numbers in formulas, safe from the garbage collector. TorchSharp 0.107 makes a native scalar of every number, which a finalizer frees, and passes
// its address on without keeping it alive: a collection at that moment frees what libtorch reads, and the operator throws or reckons with something
// else. The sum of two tensors has such a scalar too (the factor 1), so have `square` and `ToDouble`. Here every scalar lives until its call returns.
// The rest of the library uses nothing else, which ArithmeticOnlyTests holds; `a - b`, `a * b` and `a / b` of two tensors have no scalar.
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Torch;

internal static class Arithmetic
{
    private static readonly Scalar One = 1;
    private static readonly Scalar Two = 2;

    public static Tensor Plus(this Tensor left, Tensor right) => left.add(right, One);

    /// <summary>left + factor · right, in one pass.</summary>
    public static Tensor Plus(this Tensor left, Tensor right, double factor)
    {
        using Scalar number = factor;
        return left.add(right, number);
    }

    public static Tensor Plus(this Tensor left, double right)
    {
        using Scalar number = right;
        return left.add(number, One);
    }

    public static Tensor Minus(this Tensor left, double right)
    {
        using Scalar number = right;
        return left.sub(number);
    }

    /// <summary>The same of whole numbers, which stay whole.</summary>
    public static Tensor Minus(this Tensor left, long right)
    {
        using Scalar number = right;
        return left.sub(number);
    }

    public static Tensor Times(this Tensor left, double right)
    {
        using Scalar number = right;
        return left.mul(number);
    }

    public static Tensor DividedBy(this Tensor left, double right)
    {
        using Scalar number = right;
        return left.div(number);
    }

    public static Tensor Squared(this Tensor tensor) => tensor.pow(Two);

    public static Tensor Clamp(this Tensor tensor, double min, double max)
    {
        using Scalar least = min, most = max;
        return tensor.clamp(least, most);
    }

    public static Tensor ClampMin(this Tensor tensor, double min)
    {
        using Scalar least = min;
        return tensor.clamp_min(least);
    }

    public static Tensor IsAbove(this Tensor tensor, double bound)
    {
        using Scalar number = bound;
        return tensor.gt(number);
    }

    public static Tensor IsAtLeast(this Tensor tensor, double bound)
    {
        using Scalar number = bound;
        return tensor.ge(number);
    }

    public static Tensor IsBelow(this Tensor tensor, double bound)
    {
        using Scalar number = bound;
        return tensor.lt(number);
    }

    /// <summary>The same of whole numbers, however large.</summary>
    public static Tensor IsBelow(this Tensor tensor, long bound)
    {
        using Scalar number = bound;
        return tensor.lt(number);
    }

    /// <summary>tensor ← tensor + 1, of whole numbers too.</summary>
    public static Tensor Increment(this Tensor tensor) => tensor.add_(One, One);

    public static Tensor AddInPlace(this Tensor tensor, Tensor other) => tensor.add_(other, One);

    /// <summary>tensor ← tensor + factor · other, in one pass.</summary>
    public static Tensor AddInPlace(this Tensor tensor, Tensor other, double factor)
    {
        using Scalar number = factor;
        return tensor.add_(other, number);
    }

    public static Tensor AddInPlace(this Tensor tensor, double value)
    {
        using Scalar number = value;
        return tensor.add_(number, One);
    }

    public static Tensor MultiplyInPlace(this Tensor tensor, double factor)
    {
        using Scalar number = factor;
        return tensor.mul_(number);
    }

    public static Tensor FillInPlace(this Tensor tensor, double value)
    {
        using Scalar number = value;
        return tensor.fill_(number);
    }

    public static Tensor FillInPlace(this Tensor tensor, Tensor mask, double value)
    {
        using Scalar number = value;
        return tensor.masked_fill_(mask, number);
    }

    /// <summary>A new tensor with one value everywhere.</summary>
    public static Tensor Full(ReadOnlySpan<long> shape, double value, ScalarType dtype, Device? device = null)
    {
        using Scalar number = value;
        return full(shape, number, dtype, device);
    }

    /// <summary>0, step, 2 · step, … below the end; [⌈end / step⌉].</summary>
    public static Tensor Arange(long end, ScalarType dtype, Device? device = null, long step = 1)
    {
        using Scalar first = 0L, last = end, distance = step;
        return arange(first, last, distance, dtype, device);
    }

    /// <summary>The value of a tensor that has only one.</summary>
    public static double AsDouble(this Tensor tensor)
    {
        using Scalar number = tensor.ToScalar();
        return number.ToDouble();
    }

    /// <summary>The value of a tensor that has only one.</summary>
    public static long AsInt64(this Tensor tensor)
    {
        using Scalar number = tensor.ToScalar();
        return number.ToInt64();
    }
}
