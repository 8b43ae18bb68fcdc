// The U-Net around the transformer during generation on a CPU: by libtorch, picture by picture, each on one thread, so that a picture gives the same
// bits whatever is drawn beside it.
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class UNetInference : IDisposable
{
    private readonly TransfusionNetwork _network;
    private readonly PatchGrid _grid;
    private readonly WorkerThread[] _threads;
    // Of the passes at hand. Guidance reads one picture twice in a step: it goes down once.
    private readonly Dictionary<PassPart, Picture> _pictures = new(ReferenceEqualityComparer.Instance);

    /// <param name="network">Whose weights are copied.</param>
    public UNetInference(TransfusionNetwork network, int threads)
    {
        (_network, _grid) = (network.CopyPatchPath(), network.UNet!.Grid);
        _threads = [.. Enumerable.Range(0, threads).Select(number => new WorkerThread($"Transfusion U-Net {number}"))];
    }

    /// <summary>Takes all pictures of the passes down.</summary>
    public void Read(IReadOnlyList<RowPass> passes)
    {
        foreach (PassPart part in passes.SelectMany(pass => pass.Parts).Where(part => part.Patches is not null))
            _pictures.TryAdd(part, new Picture());
        foreach (RowPass pass in passes.Where(pass => pass.Wanted == PassResult.Patches))
            _pictures[pass.Parts[^1]].GoesUp = true;
        ForEach(_pictures.Select((entry, at) => (at, (Action)(() => Down(entry.Key, entry.Value)))));
    }

    /// <summary>The patch vectors of a picture that was read, [P, D].</summary>
    public float[] VectorsOf(PassPart part) => _pictures[part].Vectors;

    /// <summary>Hidden states in the results of passes become predictions, [P, C·p·p]; then the pictures are forgotten.</summary>
    public void Predict(IReadOnlyList<RowPass> passes)
    {
        // On the threads that took the pictures down: TorchSharp counts tensors thread by thread.
        ForEach(_pictures.Values.Select((picture, at) => (at, (Action)(() =>
        {
            foreach (RowPass pass in passes.Where(pass => pass.Wanted == PassResult.Patches && _pictures[pass.Parts[^1]] == picture))
                pass.Result = Up(pass.Result, picture);
            picture.Dispose();
        }))));
        _pictures.Clear();
    }

    public void Dispose()
    {
        foreach (WorkerThread thread in _threads)
            thread.Dispose();
        _network.Dispose();
    }

    private void Down(PassPart part, Picture picture)
    {
        using var noGradient = inference_mode();
        using var scope = NewDisposeScope();
        Tensor image = _grid.Unpatchify(tensor(part.Patches!)).clone();                                     // into memory that begins where libtorch's does
        (Tensor vectors, UNetPass? pass) = _network.EmbedImages(image, Arithmetic.Full([1], part.Timestep, ScalarType.Float32, CPU), _grid);
        picture.Vectors = ToArray(vectors);
        if (picture.GoesUp)
            picture.Keep(pass!);
    }

    private float[] Up(float[] hidden, Picture picture)
    {
        using var noGradient = inference_mode();
        using var scope = NewDisposeScope();
        Tensor states = tensor(hidden, [1, _grid.PatchCount, hidden.Length / _grid.PatchCount]).clone();
        return ToArray(_grid.Patchify(_network.PredictNormalized(states, picture.Pass, _grid)));
    }

    private void ForEach(IEnumerable<(int Number, Action Work)> pictures) => Task.WaitAll([.. pictures.Select(picture => _threads[picture.Number % _threads.Length].Run(() =>
    {
        picture.Work();
        return true;
    }))]);

    private static float[] ToArray(Tensor values) => values.to(ScalarType.Float32).contiguous().data<float>().ToArray();

    private sealed class Picture : IDisposable
    {
        public float[] Vectors { get; set; } = [];

        /// <summary>Whether a prediction is wanted of it.</summary>
        public bool GoesUp { get; set; }

        public UNetPass? Pass { get; private set; }

        public void Keep(UNetPass pass)
        {
            foreach (Tensor tensor in pass.Skips.Append(pass.Time))
                tensor.DetachFromDisposeScope();
            Pass = pass;
        }

        public void Dispose()
        {
            foreach (Tensor tensor in Pass?.Skips.Append(Pass.Time) ?? [])
                tensor.Dispose();
        }
    }
}
