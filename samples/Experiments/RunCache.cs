// Runs and their results in a folder: what is there is not run again, what was killed goes on from its checkpoint.
using System.Diagnostics;
using System.Reflection;

namespace Experiments;

/// <param name="folder">Made where it is missing.</param>
/// <param name="workers">Runs at a time, each a process with its share of the cores.</param>
internal sealed class RunCache(string folder, int workers)
{
    public string FolderOf(Experiment experiment) => Path.Combine(folder, "runs", experiment.Key);

    /// <summary>The result of a run that has ended.</summary>
    public RunResult this[Experiment experiment] => Find(experiment) ?? throw new InvalidOperationException($"{FolderOf(experiment)} has no result.");

    /// <summary>Runs what has no result yet, the longest first.</summary>
    public async Task Complete(IEnumerable<Experiment> experiments, CancellationToken cancellation)
    {
        List<Experiment> missing = [.. experiments.Distinct().Where(experiment => Find(experiment) is null).OrderByDescending(Work)];
        foreach (string data in missing.Where(experiment => experiment.Objective == Microsoft.ML.Transfusion.ImageObjective.DiscreteTokens).Select(experiment => experiment.Data).Distinct())
            if (!Directory.Exists(Codebook.FolderOf(folder, data)))
                await Start(["autoencoder", data, Codebook.FolderOf(folder, data)], Path.Combine(folder, "autoencoder.log"), Environment.ProcessorCount, cancellation);
        int done = 0;
        var clock = Stopwatch.StartNew();
        await Parallel.ForEachAsync(missing, new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation }, async (experiment, token) =>
        {
            string own = FolderOf(experiment);
            Directory.CreateDirectory(own);
            await File.WriteAllTextAsync(Path.Combine(own, "experiment.json"), experiment.ToJson(), token);
            await Start(["run", own, Codebook.FolderOf(folder, experiment.Data)], Path.Combine(own, "log.txt"), Math.Max(1, Environment.ProcessorCount / workers), token);
            Console.WriteLine($"{Interlocked.Increment(ref done)} of {missing.Count} runs, {clock.Elapsed:h\\:mm\\:ss}: {experiment.ToJson()}");
        });
    }

    /// <summary>The run of a folder, in this process. Another process may have it still, if the one that started it was killed: that one is waited for.</summary>
    public static void RunHere(string own, string autoencoder)
    {
        using FileStream _ = Lock(Path.Combine(own, "lock"));
        string result = Path.Combine(own, "result.json");
        if (File.Exists(result))
            return;
        var experiment = Experiment.FromJson(File.ReadAllText(Path.Combine(own, "experiment.json")));
        string text = TrainingRun.Run(experiment, own, experiment.Objective == Microsoft.ML.Transfusion.ImageObjective.DiscreteTokens ? autoencoder : null).ToJson();
        File.WriteAllText(result + ".tmp", text);
        File.Move(result + ".tmp", result);
        Directory.Delete(Path.Combine(own, "checkpoints"), recursive: true);
    }

    private RunResult? Find(Experiment experiment)
    {
        string result = Path.Combine(FolderOf(experiment), "result.json");
        return File.Exists(result) ? RunResult.FromJson(File.ReadAllText(result)) : null;
    }

    /// <summary>About how long a run takes, beside others.</summary>
    private static double Work(Experiment experiment)
    {
        int positions = experiment.TextOnly ? 16 : 20 + (experiment.Objective == Microsoft.ML.Transfusion.ImageObjective.DiscreteTokens ? 64 : ExperimentData.Side * ExperimentData.Side / experiment.PatchSize / experiment.PatchSize);
        return (double)experiment.Steps * positions * experiment.HiddenSize * experiment.Layers;
    }

    /// <summary>This program again, with these arguments and so many threads; what it prints goes to a file.</summary>
    private static async Task Start(string[] arguments, string log, int threads, CancellationToken cancellation)
    {
        string program = Environment.ProcessPath!;
        bool isHost = Path.GetFileNameWithoutExtension(program) == "dotnet";
        var start = new ProcessStartInfo(program, isHost ? [Assembly.GetExecutingAssembly().Location, .. arguments] : arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OMP_NUM_THREADS"] = $"{threads}";
        start.Environment["DOTNET_PROCESSOR_COUNT"] = $"{threads}";
        using Process process = Process.Start(start)!;
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(cancellation), errors = process.StandardError.ReadToEndAsync(cancellation);
            await process.WaitForExitAsync(cancellation);
            await File.WriteAllTextAsync(log, await output + await errors, cancellation);
            if (process.ExitCode != 0)
                throw new InvalidOperationException($"A run ended with exit code {process.ExitCode}; {log} has what it said:{Environment.NewLine}{(await errors).Trim()}");
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw;
        }
    }

    private static FileStream Lock(string path)
    {
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (File.Exists(path))
            {
                Thread.Sleep(TimeSpan.FromSeconds(1));
            }
        }
    }
}
