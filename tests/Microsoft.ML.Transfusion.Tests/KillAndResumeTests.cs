// A training process is killed again and again, inside checkpoint writes too, and what it makes in the end is what it would have made anyway.
using System.Diagnostics;
using Microsoft.ML.Transfusion.Serialization;
using Xunit.Abstractions;

namespace Microsoft.ML.Transfusion.Tests;

public sealed class KillAndResumeTests(ITestOutputHelper output) : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);            // for a machine that is busy with other things

    private readonly TemporaryFolder _folder = new();

    private string Checkpoints => _folder.File("checkpoints");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_run_that_was_killed_ends_with_the_weights_of_one_that_was_not() => KillAndResume(3, insideWritesAtLeast: 0, seed: 1);

    [Fact]
    [Trait("Category", "Slow")]
    public void A_run_that_was_killed_twenty_times_ends_with_the_weights_of_one_that_was_not() => KillAndResume(20, insideWritesAtLeast: 3, seed: 2);

    private void KillAndResume(int kills, int insideWritesAtLeast, int seed)
    {
        using Process uninterrupted = Start(_folder.File("expected"));
        Finish(uninterrupted);
        var random = new Random(seed);
        int insideWrites = 0;
        bool hadCheckpoint = false;
        for (int kill = 0; kill < kills; kill++)
        {
            int newest = NewestStep();
            string[] leftBefore = Temporaries();                   // a process that is killed early has not tidied up yet
            using Process process = Start(_folder.File("actual"), Checkpoints);
            string moment = WaitForMoment(process, newest, leftBefore, random);
            Assert.False(process.HasExited, "The run ended before it could be killed.");
            process.Kill();
            process.WaitForExit();

            int halfWritten = Temporaries().Except(leftBefore).Count();
            insideWrites += halfWritten;
            hadCheckpoint |= NewestStep() > 0;
            using Checkpoint? checkpoint = CheckpointFolder.OpenNewest(Checkpoints, (file, reason) => Assert.Fail($"{file}: {reason}"));
            Assert.Equal(hadCheckpoint, checkpoint is not null);
            Assert.True(NewestStep() >= newest);
            output.WriteLine($"Killed {moment}, at checkpoint {checkpoint?.Record.Counters.Step}, {halfWritten} half-written.");
        }
        using Process last = Start(_folder.File("actual"), Checkpoints);
        Finish(last);

        output.WriteLine($"{insideWrites} of {kills} kills fell inside a write.");
        Assert.True(insideWrites >= insideWritesAtLeast, $"Only {insideWrites} kills fell inside a write.");
        Assert.Empty(Temporaries());
        Assert.Equal(File.ReadAllBytes(_folder.File("expected")), File.ReadAllBytes(_folder.File("actual")));
    }

    /// <summary>Half of the moments are inside a write, the others anywhere; nearly all come when the process has got further than the one before.</summary>
    private string WaitForMoment(Process process, int newest, string[] leftBefore, Random random)
    {
        switch (random.Next(10))
        {
            case 0:
                Thread.Sleep(random.Next(3000));
                return "at any time after the start";
            case < 5:
                int target = newest + TrainingApp.StepsBetweenCheckpoints * random.Next(1, 4);
                WaitFor(process, () => NewestStep() >= target);
                Thread.Sleep(random.Next(30));
                return "between two steps or in one, or in a write";
            default:
                WaitFor(process, () => NewestStep() > newest && Temporaries().Except(leftBefore).Any());
                SpinFor(random.Next(2) * random.NextDouble() * 10);
                return "in a write";
        }
    }

    private int NewestStep() => CheckpointFolder.List(Checkpoints) is [var newest, ..] ? newest.Step : 0;

    private string[] Temporaries() => Directory.Exists(Checkpoints) ? Directory.GetFiles(Checkpoints, ".*.tmp") : [];

    private static void WaitFor(Process process, Func<bool> condition)
    {
        for (var clock = Stopwatch.StartNew(); !condition(); Thread.Sleep(0))
            Assert.True(!process.HasExited && clock.Elapsed < Patience, "The run ended, or wrote no checkpoint.");
    }

    private static void SpinFor(double milliseconds)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed.TotalMilliseconds < milliseconds;)
            Thread.SpinWait(10);
    }

    private static Process Start(params string[] arguments) =>
        Process.Start(new ProcessStartInfo("dotnet", [typeof(TrainingApp).Assembly.Location, .. arguments]) { RedirectStandardOutput = true, RedirectStandardError = true })!;

    private static void Finish(Process process)
    {
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string messages = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, messages + errors.Result);
    }
}
