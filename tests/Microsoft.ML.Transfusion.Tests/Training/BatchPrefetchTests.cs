using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Training;

[Collection(nameof(Alone))]
public class BatchPrefetchTests
{
    private static readonly Document[] Pairs = TinyNetwork.Documents(12);
    private static readonly TrainingOptions Options = new(new OptimizerConfig { BatchSize = 4 }, NumberOfSteps: 20, MaxTrainingTime: null, Seed: 1, TrainingPrecision.Float32, CPU)
    {
        HorizontalFlip = true,
    };

    [Fact]
    public void Next_gives_the_batches_in_order_and_as_they_are()
    {
        TrainingBatch[] expected = [.. Batches().Take(40)];
        using var prefetch = new BatchPrefetch(Batches());

        foreach (TrainingBatch batch in expected)
        {
            TrainingBatch next = prefetch.Next();
            Assert.Equal(batch.Next, next.Next);
            TensorAssert.Close(batch.Sequences.TokenIds, next.Sequences.TokenIds, 0);
            TensorAssert.Close(batch.Sequences.Images!, next.Sequences.Images!, 0);
            TensorAssert.Close(batch.Draw!.Noise, next.Draw!.Noise, 0);
            batch.Dispose();
        }
        Assert.True(prefetch.Waited >= TimeSpan.Zero);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(9)]
    public void Dispose_ends_the_other_thread_and_leaves_no_batch(int taken)
    {
        int ended = 0;
        IEnumerable<TrainingBatch> Endless()
        {
            try
            {
                foreach (TrainingBatch batch in Batches())
                    yield return batch;
            }
            finally
            {
                ended++;
            }
        }
        LeakCheck.HoldsOnAllThreads(() =>
        {
            using var prefetch = new BatchPrefetch(Endless());
            for (int i = 0; i < taken; i++)
                prefetch.Next();
        });

        Assert.Equal(1, ended);
    }

    [Fact]
    public void Exception_comes_out_as_it_was_thrown_after_the_batches_before_it()
    {
        var thrown = new FormatException("the fourth");
        using var prefetch = new BatchPrefetch(Batches().Select((batch, at) => at < 3 ? batch : throw thrown));

        for (int i = 0; i < 3; i++)
            prefetch.Next();
        Assert.Same(thrown, Assert.Throws<FormatException>(prefetch.Next));
        Assert.Same(thrown, Assert.Throws<FormatException>(prefetch.Next));
    }

    [Fact]
    public void Batches_are_made_on_one_thread_and_the_callers_number_of_threads_stays()
    {
        int before = get_num_threads(), inside = 0;
        set_num_threads(2);
        try
        {
            using (var prefetch = new BatchPrefetch(Batches().Select(batch =>
            {
                inside = get_num_threads();
                return batch;
            })))
                prefetch.Next();

            Assert.Equal((1, 2), (inside, get_num_threads()));
            int ofNewThread = 0;
            var thread = new Thread(() => ofNewThread = get_num_threads());
            thread.Start();
            thread.Join();
            Assert.Equal(2, ofNewThread);
        }
        finally
        {
            set_num_threads(before);
        }
    }

    private static IEnumerable<TrainingBatch> Batches() =>
        new BatchGrouping(Pairs, TinyNetwork.Config.Diffusion, 4, seed: 1).Batches()
            .Select((group, step) => TrainingBatch.Create(group, TinyNetwork.Config, TinyNetwork.Special, Options, step));
}
