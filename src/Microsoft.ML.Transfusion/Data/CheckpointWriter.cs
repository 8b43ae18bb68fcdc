// Decides when a run writes a checkpoint: by steps, by time, and at its end. A checkpoint that cannot be written is told and tried again with
// the next one; training goes on, since ending it would lose more.
using System.Diagnostics;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Training;

namespace Microsoft.ML.Transfusion.Data;

/// <param name="record">What every checkpoint of the run says, with the counters of the state it begins with.</param>
internal sealed class CheckpointWriter(CheckpointFolder folder, IChannel channel, TransfusionTrainer.Options options, CheckpointRecord record, TextTokenizer tokenizer)
{
    private int _triedStep = record.Counters.Step, _writtenStep = record.Counters.Step;
    private TimeSpan _triedAt = record.Counters.Elapsed;

    public void AfterStep(TrainingState state)
    {
        if (state.Step - _triedStep >= options.CheckpointInterval || state.Elapsed - _triedAt >= options.CheckpointTimeInterval)
            Write(state);
    }

    /// <summary>Writes a checkpoint, unless there is one of this step.</summary>
    public void Write(TrainingState state)
    {
        if (state.Step == _writtenStep)
            return;
        (_triedStep, _triedAt) = (state.Step, state.Elapsed);
        var clock = Stopwatch.StartNew();
        try
        {
            folder.Write(state.Step, options.NumberOfCheckpoints, stream => Checkpoint.Write(stream, record with { Counters = CheckpointCounters.Of(state) }, tokenizer, state));
            _writtenStep = state.Step;
            channel.Info(MessageSensitivity.None, "Checkpoint of step {0} written in {1:F1} s.", state.Step, clock.Elapsed.TotalSeconds);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)   // the last is .NET's name for EFBIG
        {
            channel.Warning(MessageSensitivity.UserData, "The checkpoint of step {0} could not be written to {1}: {2} Training goes on, and earlier checkpoints are kept.",
                state.Step, options.CheckpointFolder, exception.Message);
        }
    }
}
