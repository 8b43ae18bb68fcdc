// Shows a running Fit: a live bar with both losses in a terminal, a plain line now and then in a log file. Ctrl+C ends training early and keeps the model.
using Microsoft.ML.Transfusion;
using Spectre.Console;

namespace Samples.Common;

public sealed class TrainingDisplay : IProgress<TrainingProgress>
{
    private static readonly TimeSpan PlainInterval = TimeSpan.FromSeconds(15);
    private readonly List<TrainingProgress> _history = [];
    private readonly Action<TrainingProgress> _show;

    private TrainingDisplay(Action<TrainingProgress> show) => _show = show;

    /// <summary>All that was reported, for curves.</summary>
    public IReadOnlyList<TrainingProgress> History => _history;

    /// <summary>Steps taken.</summary>
    public int Steps => _history is [.., { } last] ? last.Step : 0;

    /// <summary>Seconds from the first step to the last.</summary>
    public double Seconds => _history is [.., { } last] ? last.Elapsed.TotalSeconds : 0;

    /// <summary>Positions trained a second, over the whole run.</summary>
    public double TokensPerSecond
    {
        get
        {
            double tokens = 0, seconds = 0;
            foreach (TrainingProgress progress in _history)
            {
                double span = progress.Elapsed.TotalSeconds - seconds;
                tokens += progress.TokensPerSecond * span;
                seconds += span;
            }
            return seconds > 0 ? tokens / seconds : 0;
        }
    }

    void IProgress<TrainingProgress>.Report(TrainingProgress value)
    {
        _history.Add(value);
        _show(value);
    }

    /// <summary>Runs <paramref name="train"/> and shows what it reports; the token is cancelled by Ctrl+C.</summary>
    public static (T Result, TrainingDisplay Display) Run<T>(Func<TrainingDisplay, CancellationToken, T> train)
    {
        using CancellationTokenSource interruption = new();
        void Interrupt(object? sender, ConsoleCancelEventArgs pressed)
        {
            pressed.Cancel = !interruption.IsCancellationRequested;         // the second time it ends the process
            interruption.Cancel();
        }
        Console.CancelKeyPress += Interrupt;
        try
        {
            return AnsiConsole.Profile.Capabilities.Interactive && !Console.IsOutputRedirected
                ? Live(train, interruption.Token)
                : Plain(train, interruption.Token);
        }
        finally
        {
            Console.CancelKeyPress -= Interrupt;
        }
    }

    private static (T, TrainingDisplay) Live<T>(Func<TrainingDisplay, CancellationToken, T> train, CancellationToken interruption) =>
        AnsiConsole.Progress()
            .Columns(new SpinnerColumn(), new ProgressBarColumn(), new PercentageColumn(), new TaskDescriptionColumn { Alignment = Justify.Left })
            .Start(context =>
            {
                ProgressTask task = context.AddTask("training", maxValue: 1);
                TrainingDisplay display = new(progress =>
                {
                    task.Value = progress.Fraction;
                    task.Description = Markup.Escape(Describe(progress));
                });
                return (train(display, interruption), display);
            });

    private static (T, TrainingDisplay) Plain<T>(Func<TrainingDisplay, CancellationToken, T> train, CancellationToken interruption)
    {
        TimeSpan next = TimeSpan.Zero;
        TrainingDisplay display = new(progress =>
        {
            if (progress.Elapsed < next && progress.Fraction < 1)
                return;
            Console.WriteLine($"{progress.Fraction,4:P0}  {Describe(progress)}");
            next = progress.Elapsed + PlainInterval;
        });
        return (train(display, interruption), display);
    }

    private static string Describe(TrainingProgress progress) =>
        $"step {progress.Step:N0}, language loss {progress.LanguageLoss:F3}, diffusion loss {progress.DiffusionLoss:F4}, "
        + $"{progress.TokensPerSecond / 1000:F1}k tokens/s, {progress.Remaining:m\\:ss} left";
}
