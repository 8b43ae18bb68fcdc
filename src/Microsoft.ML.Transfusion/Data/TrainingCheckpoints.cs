// What one Fit does about checkpoints: finds the one to resume from, refuses what is another run, and writes new ones while training goes on.
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Training;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class TrainingCheckpoints : IDisposable
{
    private readonly IHost _host;
    private readonly IChannel _channel;
    private readonly TransfusionTrainer.Options _options;
    private readonly IReadOnlyDictionary<string, string> _runOptions;
    private readonly bool _sameFolder;
    private CheckpointFolder? _folder;
    private Checkpoint? _resumed;

    private TrainingCheckpoints(IHost host, IChannel channel, TransfusionTrainer.Options options, IReadOnlyDictionary<string, string> runOptions)
    {
        (_host, _channel, _options, _runOptions) = (host, channel, options, runOptions);
        _sameFolder = options is { CheckpointFolder: { } folder, ResumeFrom: { } source } && FullPath(folder) == FullPath(source);
    }

    /// <summary>Opens what the options name, before any data is read.</summary>
    /// <param name="runOptions">Those that must be the same in every sitting.</param>
    /// <param name="seed">The seed, if the caller chose one.</param>
    /// <exception cref="ArgumentException">The folder to resume from holds no checkpoint, or the one to write to holds another run's.</exception>
    /// <exception cref="FormatException">There are checkpoints, and none is whole.</exception>
    /// <exception cref="InvalidOperationException">The checkpoint is of a run with other options.</exception>
    /// <exception cref="IOException">The folder cannot be written, or another run writes to it.</exception>
    public static TrainingCheckpoints Open(IHost host, IChannel channel, TransfusionTrainer.Options options, IReadOnlyDictionary<string, string> runOptions, int? seed)
    {
        var checkpoints = new TrainingCheckpoints(host, channel, options, runOptions);
        try
        {
            checkpoints.OpenFolder();
            checkpoints.OpenResumed(seed);
            return checkpoints;
        }
        catch (Exception exception)
        {
            checkpoints.Dispose();
            throw host.Process(exception);
        }
    }

    /// <summary>The vocabulary of the run that goes on; null where none does.</summary>
    public TextTokenizer? Tokenizer => _resumed?.Tokenizer;

    /// <summary>The seed of the run that goes on; null where none does.</summary>
    public int? Seed => _resumed?.Record.Seed;

    /// <summary>Has a run restored when it begins, and stored while it goes on and when it ends.</summary>
    /// <exception cref="InvalidOperationException">The checkpoint is of a run with other documents.</exception>
    public TrainingOptions Attach(TrainingOptions training, TextTokenizer tokenizer, IReadOnlyList<Document> documents)
    {
        if (_folder is null && _resumed is null)
            return training;
        string fingerprint = $"{documents.Count} with fingerprint {Fingerprint.Of(documents)}";
        if (_resumed is not null)
            RequireSame([new("The training data", _resumed.Record.Documents, fingerprint)]);
        CheckpointWriter? writer = null;
        return training with
        {
            Begin = state =>
            {
                string? frozen = training.FreezesText ? Fingerprint.Of(state.FrozenWeights) : null;
                Restore(state, frozen);
                writer = _folder is null ? null : new CheckpointWriter(_folder, _channel, _options,
                    new CheckpointRecord(training.Seed, _runOptions, fingerprint, frozen, CheckpointCounters.Of(state)), tokenizer);
            },
            AfterStep = state =>
            {
                training.AfterStep?.Invoke(state);
                writer?.AfterStep(state);
            },
            End = state => writer?.Write(state),
        };
    }

    public void Dispose()
    {
        _resumed?.Dispose();
        _folder?.Dispose();
    }

    private void OpenFolder()
    {
        if (_options.CheckpointFolder is not { } path)
            return;
        _folder = CheckpointFolder.Open(path);
        if (!_sameFolder && CheckpointFolder.List(path) is [var newest, ..])
            throw new ArgumentException($"CheckpointFolder '{path}' holds checkpoints of another run, up to step {newest.Step}. "
                + "Set ResumeFrom to the same folder to continue that run, or name another folder.");
    }

    private void OpenResumed(int? seed)
    {
        if (_options.ResumeFrom is not { } source)
            return;
        _resumed = CheckpointFolder.OpenNewest(source, (file, reason) => _channel.Warning(MessageSensitivity.UserData,
            "The checkpoint {0} cannot be loaded; the one before it is tried. {1}", file, reason.Message));
        if (_resumed is not { Record: var record })
        {
            if (!_sameFolder)
                throw new ArgumentException($"ResumeFrom '{source}' holds no checkpoint. Name a folder that a run with CheckpointFolder wrote, "
                    + "or set both options to one folder: then the first run begins anew.");
            return;
        }
        RequireSame([.. RunOptions.Compare(record.Options, _runOptions), new("Seed", $"{record.Seed}", $"{seed ?? record.Seed}")]);
        foreach (string name in _sameFolder ? _folder!.SetAsideAfter(record.Counters.Step) : [])
            _channel.Warning(MessageSensitivity.UserData, "The checkpoint that cannot be loaded is kept as {0}.", name);
        _channel.Info(MessageSensitivity.UserData, "Continuing from {0}: {1} steps, {2}.", _resumed.Path, record.Counters.Step, record.Counters.Elapsed);
    }

    private void Restore(TrainingState state, string? frozen)
    {
        if (_resumed is null)
            return;
        RequireSame([new("The frozen weights, which InitializeFrom gives,", _resumed.Record.FrozenWeights ?? "none", frozen ?? "none")]);
        _resumed.Restore(state);
        _resumed.Dispose();                                        // from now on the file may be deleted
    }

    /// <exception cref="InvalidOperationException">A value differs.</exception>
    private void RequireSame(IEnumerable<ChangedOption> options)
    {
        string[] changed = [.. options.Where(option => option.Before != option.Now).Select(option => $"{option.Name}: {option.Before} then, {option.Now} now")];
        if (changed.Length > 0)
            throw _host.Process(new InvalidOperationException($"The run in ResumeFrom '{_options.ResumeFrom}' cannot be continued, because what it depends on has changed. "
                + $"{string.Join("; ", changed)}. Change it back, or begin a new run in another folder."));
    }

    private static string FullPath(string folder) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
}
