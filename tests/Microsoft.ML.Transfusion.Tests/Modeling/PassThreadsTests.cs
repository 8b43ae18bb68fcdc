using Microsoft.ML.Transfusion.Modeling;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

public sealed class PassThreadsTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    public void Every_number_is_done_once(int threads)
    {
        using var team = new PassThreads(threads);
        for (int round = 0; round < 2000; round++)
        {
            int[] times = new int[round % 9];
            team.ForEach(times.Length, number => Interlocked.Increment(ref times[number]));
            Assert.All(times, count => Assert.Equal(1, count));
            if (round % 500 == 0)
                Thread.Sleep(5);                            // long enough for them to fall asleep
        }
    }

    [Fact]
    public void Two_threads_work_at_the_same_time()
    {
        using var team = new PassThreads(1);
        using var both = new Barrier(2);
        bool[] met = new bool[2];
        team.ForEach(2, number => met[number] = both.SignalAndWait(TimeSpan.FromSeconds(30)));
        Assert.All(met, Assert.True);
    }

    [Fact]
    public void An_exception_is_the_callers_and_the_rest_is_done()
    {
        using var team = new PassThreads(2);
        int done = 0;
        Assert.Throws<InvalidOperationException>(() => team.ForEach(20, number =>
        {
            if (number == 7)
                throw new InvalidOperationException();
            Interlocked.Increment(ref done);
        }));
        Assert.Equal(19, done);
        team.ForEach(3, _ => Interlocked.Increment(ref done));
        Assert.Equal(22, done);
    }
}
