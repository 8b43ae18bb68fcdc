// Arithmetic between tensors and numbers while another thread forces collections: the scalars must outlive the calls that read them. TorchSharp's own
// operators, once the just-in-time compiler has optimized them, fail here a few times in ten thousand rounds or end the process; before that they
// do not, so what keeps them out of the library is ArithmeticOnlyTests. Tests beside, whose formulas use them, could fail as well: none runs beside.
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Torch;

[CollectionDefinition(nameof(ArithmeticTests), DisableParallelization = true)]
[Collection(nameof(ArithmeticTests))]
public class ArithmeticTests
{
    [Fact]
    public void Results_are_right_while_the_garbage_collector_runs()
    {
        const int Rounds = 6_000;
        using var scope = NewDisposeScope();
        Tensor one = torch.ones(1, dtype: ScalarType.BFloat16);
        using var done = new CancellationTokenSource();
        var collector = new Thread(() =>
        {
            while (!done.IsCancellationRequested)
            {
                GC.Collect(0, GCCollectionMode.Forced, blocking: true);
                GC.WaitForPendingFinalizers();
            }
        });
        collector.Start();
        try
        {
            for (int round = 0; round < Rounds; round++)
            {
                using var step = NewDisposeScope();
                Tensor result = one.Plus(one).Times(4).Minus(2).DividedBy(2);                                   // 3
                result.AddInPlace(one, factor: 0.5).AddInPlace(-0.5).MultiplyInPlace(2).FillInPlace(result.IsAbove(100), 7);
                Assert.Equal(6, result.Clamp(0, 10).AsDouble());
            }
        }
        finally
        {
            done.Cancel();
            collector.Join();
        }
    }
}
