// The command-line options that every sample has.
using System.CommandLine;
using Microsoft.ML;

namespace Samples.Common;

/// <summary>How long to train, from which seed, and where the results go.</summary>
/// <param name="defaultMinutes">Minutes of training when none are given.</param>
/// <param name="defaultOutput">Folder for the results when none is given.</param>
public sealed class RunOptions(double defaultMinutes, string defaultOutput)
{
    private readonly Option<double> _minutes = Positive(new Option<double>("--minutes")
    {
        Description = "Minutes to train.",
        DefaultValueFactory = _ => defaultMinutes,
    });

    private readonly Option<int?> _steps = Positive(new Option<int?>("--steps")
    {
        Description = "Steps to train; --minutes still ends the training if it comes first.",
    });

    private readonly Option<int> _seed = new("--seed") { Description = "Seed of everything random.", DefaultValueFactory = _ => 1 };

    private readonly Option<int?> _gpu = new("--gpu") { Description = "Number of the GPU to use, from 0; the CPU if not given." };

    private readonly Option<string> _output = new("--output") { Description = "Folder to write to.", DefaultValueFactory = _ => defaultOutput };

    public void AddTo(Command command)
    {
        command.Options.Add(_minutes);
        command.Options.Add(_steps);
        command.Options.Add(_seed);
        command.Options.Add(_gpu);
        command.Options.Add(_output);
    }

    /// <summary>The values given.</summary>
    public RunSettings Read(ParseResult parsed) => new(
        TimeSpan.FromMinutes(parsed.GetValue(_minutes)),
        parsed.GetValue(_steps),
        parsed.GetValue(_seed),
        parsed.GetValue(_gpu),
        Path.GetFullPath(parsed.GetValue(_output)!));

    /// <summary>An option that refuses zero and less.</summary>
    public static Option<T> Positive<T>(Option<T> option)
    {
        option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<T>() is { } value && Convert.ToDouble(value) <= 0)
                result.AddError($"{option.Name} must be greater than 0.");
        });
        return option;
    }
}

/// <summary>What a run was asked for.</summary>
public sealed record RunSettings(TimeSpan TrainingTime, int? Steps, int Seed, int? Gpu, string Output)
{
    /// <summary>A context with the seed and the device asked for.</summary>
    public MLContext CreateContext() => new(seed: Seed) { GpuDeviceId = Gpu };

    /// <summary>The path of a file in the output folder.</summary>
    public string this[string fileName] => Path.Combine(Output, fileName);
}
