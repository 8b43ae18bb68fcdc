// One step's worth of data, ready for the network: laid out, mirrored where asked, its noise drawn.
using Microsoft.ML.Transfusion.Sequences;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Training;

/// <summary>A place in the stream of batches: how many passes over the data are complete, and how many batches of the present one.</summary>
internal readonly record struct DataPosition(int Pass, int Batch);

/// <param name="Sequences">The documents as rows, on the CPU.</param>
/// <param name="Draw">Timesteps and noise for its images; null where it has none.</param>
/// <param name="Next">Where the stream goes on after this batch.</param>
internal sealed record TrainingBatch(SequenceBatch Sequences, NoiseDraw? Draw, DataPosition Next) : IDisposable
{
    /// <summary>Makes the batch of one step. All that is random in it follows from the seed and the step, so that a run can be taken up at any step.</summary>
    public static TrainingBatch Create(GroupedBatch group, TransfusionConfig config, SpecialTokens special, TrainingOptions options, int step)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(StepSeed.Of(options.Seed, step), CPU);
        SequenceBatch sequences = SequenceBatch.Create(group.Rows, special, config.Grid.PatchCount, images: config.ImagePositions);
        if (options.HorizontalFlip)
            sequences.FlipRows(rand(sequences.Rows, generator: generator).less(0.5).data<bool>().ToArray());
        NoiseDraw? draw = sequences.Images is null ? null : NoiseDraw.Random(sequences, config.Diffusion, generator);
        draw?.Timesteps.DetachFromDisposeScope();
        draw?.Noise.DetachFromDisposeScope();
        return new TrainingBatch(sequences, draw, group.Next);
    }

    /// <summary>Neighbouring rows, with what was drawn for them.</summary>
    public TrainingBatch Slice(int firstRow, int rows)
    {
        SequenceBatch sequences = Sequences.Slice(firstRow, rows);
        int firstImage = Sequences.RowOfImage.Count(row => row < firstRow), images = sequences.MaxTimesteps.Length;
        static Tensor Kept(Tensor tensor, int first, int count) => tensor.narrow(0, first, count).DetachFromDisposeScope();
        NoiseDraw? draw = images == 0 || Draw is null ? null : new NoiseDraw(Kept(Draw.Timesteps, firstImage, images), Kept(Draw.Noise, firstImage, images));
        return new TrainingBatch(sequences, draw, Next);
    }

    public void Dispose()
    {
        Sequences.Dispose();
        Draw?.Timesteps.Dispose();
        Draw?.Noise.Dispose();
    }
}
