// Many callers: cancelling, refusing, listening, and rows that fail.
using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Tests.Modeling;
using Microsoft.ML.Transfusion.Tests.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Generation;

public sealed partial class SequenceGeneratorTests
{
    [Fact]
    public void A_prompt_is_read_once_by_rows_that_come_while_its_reader_goes_on_and_after_it()
    {
        var network = new Counting(_inference);
        using GenerationQueue queue = Queue(network);
        var prompt = new Document([new TextPart([1, 2, 3, 4, 5]), new ImagePart(randn([3, 4, 4])), new TextPart([6, 7])]);
        RowRequest[] requests = [.. Enumerable.Range(0, 3).Select(seed => new RowRequest(prompt, RowMode.Mixed, Options, (ulong)seed))];
        IReadOnlyList<GenerationRow> first = queue.Submit([requests[0]]);
        queue.Step(first);
        queue.Step(first);
        Assert.False(first[0].HasEnded);

        IReadOnlyList<GenerationRow> during = queue.Run([requests[1]]);
        while (!queue.Step(first))
        {
        }
        IReadOnlyList<GenerationRow> after = queue.Run([requests[2]]);

        Assert.Equal(1, network.PromptsRead);
        foreach ((RowRequest request, GenerationRow row) in requests.Zip([first[0], during[0], after[0]]))
            AssertSame(_queue.Run([request])[0], row);
    }

    [Fact]
    public void A_cancelled_row_ends_and_the_others_go_on()
    {
        using var cancellation = new CancellationTokenSource();
        int steps = 0;
        RowRequest prompt = new(new Document([new TextPart([1])]), RowMode.Image, Options with { NumberOfInferenceSteps = 20 }, 1);
        IReadOnlyList<GenerationRow> rows = _queue.Submit([prompt with { CancellationToken = cancellation.Token }, prompt with { Observe = step => steps = step.Step }]);
        while (steps < 3)
            _queue.Step(rows);
        cancellation.Cancel();

        while (!_queue.Step(rows))
        {
        }

        Assert.IsType<OperationCanceledException>(rows[0].Failure);
        Assert.Null(rows[1].Failure);
        TensorAssert.Close(Images(_queue.Run([prompt])), Images([rows[1]]), 0);
        Assert.Throws<OperationCanceledException>(() => _queue.Run([prompt with { CancellationToken = cancellation.Token }]));
    }

    [Fact]
    public void Submit_refuses_what_cannot_fit_and_what_is_too_much()
    {
        Document full = new([new TextPart([.. Enumerable.Repeat(1, 60)])]);
        using var narrow = new GenerationQueue(new SequenceGenerator(_inference, Config, TinyNetwork.Special, RandomNetwork.Vocabulary, _diffusion), () => 3);

        ArgumentException tooLong = Assert.Throws<ArgumentException>(() => _queue.Submit([new RowRequest(full, RowMode.Image, Options, 1)]));
        narrow.Submit([.. Enumerable.Repeat(new RowRequest(new Document([]), RowMode.Text, Options, 1), 4)]);
        GenerationOverloadException tooMany = Assert.Throws<GenerationOverloadException>(() => narrow.Submit([new RowRequest(new Document([]), RowMode.Text, Options, 1)]));

        Assert.Contains("MaxSequenceLength", tooLong.Message);
        Assert.Contains("MaxWaitingRows", tooMany.Message);
    }

    [Fact]
    public void A_listener_that_throws_ends_its_own_row_alone()
    {
        RowRequest prompt = new(new Document([new TextPart([1])]), RowMode.Image, Options, 1);
        IReadOnlyList<GenerationRow> rows = _queue.Submit([prompt with { Observe = _ => throw new NotSupportedException() }, prompt]);
        while (!_queue.Step(rows))
        {
        }

        Assert.IsType<NotSupportedException>(rows[0].Failure);
        Assert.Null(rows[1].Failure);
        Dispose(rows);
    }

    /// <summary>Whoever leads may take a row's last steps while its caller is still waking up.</summary>
    [Fact]
    public void Rows_have_not_ended_before_their_listener_saw_it()
    {
        const int Callers = 16, Calls = 50;
        int unseen = 0;
        void Call(ulong seed)
        {
            bool saw = false;
            IReadOnlyList<GenerationRow> rows = _queue.Submit([new RowRequest(new Document([new TextPart([1])]), RowMode.Text, Options, seed)]);
            while (!_queue.Step(rows, () => saw = rows[0].HasEnded))
            {
            }
            if (!saw)
                Interlocked.Increment(ref unseen);
        }
        Thread[] threads = [.. Enumerable.Range(0, Callers).Select(caller => new Thread(() =>
        {
            for (int call = 0; call < Calls; call++)
                Call((ulong)(caller * Calls + call));
        }))];

        foreach (Thread thread in threads)
            thread.Start();
        foreach (Thread thread in threads)
            thread.Join();

        Assert.Equal(0, unseen);
    }

    private sealed class Counting(IInferenceNetwork network) : IInferenceNetwork
    {
        public int Threads => network.Threads;

        public int PromptsRead { get; private set; }

        public RowCache CreateCache(int capacity) => network.CreateCache(capacity);

        public void Run(IReadOnlyList<RowPass> passes)
        {
            PromptsRead += passes.Count(pass => pass.Wanted == PassResult.LastLogits && pass.Cache.Length == 0);
            network.Run(passes);
        }

        public void Dispose()
        {
        }
    }
}
