// silu(gate) · up, the activation of SwiGLU (Shazeer 2020), as one autograd function: on a CPU each direction reads and writes memory once.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal static class SwiGlu
{
    /// <summary>Gate and up of one shape → the same.</summary>
    public static Tensor Apply(Tensor gate, Tensor up)
    {
        if (!CpuKernel.Handles(gate))
            return nn.functional.silu(gate) * up;
        using var scope = NewDisposeScope();                // what the function saves for its backward pass is copied only after it returns
        return Function.apply(gate, up).MoveToOuterDisposeScope();
    }

    /// <summary>One row.</summary>
    public static unsafe void Forward<T>(void* gate, void* up, void* output, int size) where T : struct, ILanes
    {
        int i = 0;
        for (; i + ILanes.Count <= size; i += ILanes.Count)
            Forward<T>(gate, up, output, i, size, whole: true);
        if (i < size)
            Forward<T>(gate, up, output, i, size, whole: false);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static unsafe void Forward<T>(void* gate, void* up, void* output, int i, int size, bool whole) where T : struct, ILanes
    {
        Vector512<float> x = Lanes.Load<T>(gate, i, size, whole);
        Lanes.Store<T>(output, i, size, whole, x * Lanes.Sigmoid(x) * Lanes.Load<T>(up, i, size, whole));
    }

    private sealed class Function : autograd.SingleTensorFunction<Function>
    {
        public override string Name => nameof(SwiGlu);

        public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
        {
            using var scope = NewDisposeScope();
            Tensor gate = ((Tensor)vars[0]).contiguous().MoveToOuterDisposeScope(), up = ((Tensor)vars[1]).contiguous().MoveToOuterDisposeScope();
            ctx.save_for_backward([gate, up]);
            return (gate.dtype == ScalarType.BFloat16 ? Forward<BFloat16Lanes>(gate, up) : Forward<Float32Lanes>(gate, up)).MoveToOuterDisposeScope();
        }

        // With σ = σ(gate):  d up = g · gate · σ,  d gate = g · up · σ · (1 + gate · (1 − σ)).
        public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
        {
            using var scope = NewDisposeScope();
            List<Tensor> saved = ctx.get_saved_variables();
            Tensor gradient = grad_output.contiguous();
            (Tensor ofGate, Tensor ofUp) = gradient.dtype == ScalarType.BFloat16
                ? Backward<BFloat16Lanes>(gradient, saved[0], saved[1]) : Backward<Float32Lanes>(gradient, saved[0], saved[1]);
            return [ofGate.MoveToOuterDisposeScope(), ofUp.MoveToOuterDisposeScope()];
        }

        private static unsafe Tensor Forward<T>(Tensor gate, Tensor up) where T : struct, ILanes
        {
            Tensor output = empty_like(gate);
            int size = (int)gate.shape[^1];
            void* a = CpuKernel.Pointer(gate), b = CpuKernel.Pointer(up), y = CpuKernel.Pointer(output);
            CpuKernel.ForRows(gate.NumberOfElements / size, size, (begin, end, _) =>
            {
                for (long row = begin; row < end; row++)
                    SwiGlu.Forward<T>(T.Row(a, row, size), T.Row(b, row, size), T.Row(y, row, size), size);
            });
            return output;
        }

        private static unsafe (Tensor, Tensor) Backward<T>(Tensor gradient, Tensor gate, Tensor up) where T : struct, ILanes
        {
            Tensor ofGate = empty_like(gate), ofUp = empty_like(up);
            int size = (int)gate.shape[^1];
            void* g = CpuKernel.Pointer(gradient), a = CpuKernel.Pointer(gate), b = CpuKernel.Pointer(up), da = CpuKernel.Pointer(ofGate), db = CpuKernel.Pointer(ofUp);
            CpuKernel.ForRows(gate.NumberOfElements / size, size, (begin, end, _) =>
            {
                for (long row = begin; row < end; row++)
                    Backward<T>(T.Row(g, row, size), T.Row(a, row, size), T.Row(b, row, size), T.Row(da, row, size), T.Row(db, row, size), size);
            });
            return (ofGate, ofUp);
        }

        private static unsafe void Backward<T>(void* g, void* gate, void* up, void* ofGate, void* ofUp, int size) where T : struct, ILanes
        {
            int i = 0;
            for (; i + ILanes.Count <= size; i += ILanes.Count)
                Backward<T>(g, gate, up, ofGate, ofUp, i, size, whole: true);
            if (i < size)
                Backward<T>(g, gate, up, ofGate, ofUp, i, size, whole: false);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static unsafe void Backward<T>(void* g, void* gate, void* up, void* ofGate, void* ofUp, int i, int size, bool whole) where T : struct, ILanes
        {
            Vector512<float> x = Lanes.Load<T>(gate, i, size, whole), sigmoid = Lanes.Sigmoid(x), gated = Lanes.Load<T>(g, i, size, whole) * sigmoid;
            Lanes.Store<T>(ofUp, i, size, whole, gated * x);
            Vector512<float> slope = Vector512.FusedMultiplyAdd(x, Vector512<float>.One - sigmoid, Vector512<float>.One);
            Lanes.Store<T>(ofGate, i, size, whole, gated * Lanes.Load<T>(up, i, size, whole) * slope);
        }
    }
}
