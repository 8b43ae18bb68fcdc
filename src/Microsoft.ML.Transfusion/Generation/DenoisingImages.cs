// Images that began at the same moment with the same settings and are denoised together: x_T is noise, each step overwrites x_t by x_{t−1} (Transfusion
// §3). Noise is drawn row by row, so that a row does not depend on its neighbours.
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Generation;

internal sealed class DenoisingImages : IGrowingImages
{
    private readonly DiffusionProcess _diffusion;
    private readonly PatchGrid _grid;
    private readonly GenerationOptions _options;
    private readonly IReadOnlyList<GenerationRow> _rows;
    private readonly IReadOnlyList<RowCache?> _unconditional;
    private readonly DiffusionSampler _sampler;
    private Tensor _sample;                                 // [N, C, H, W]
    private int _step;
    private List<(int Row, RowPass Conditional, RowPass? Unconditional)> _passes = [];

    /// <param name="rows">Rows with equal settings, whose caches end in BOI.</param>
    /// <param name="unconditional">What guidance leads away from, one for each row and owned by this; null where there is no guidance.</param>
    public DenoisingImages(IReadOnlyList<GenerationRow> rows, IReadOnlyList<RowCache?> unconditional, DiffusionProcess diffusion, PatchGrid grid, double sampleBound)
    {
        (_rows, _unconditional, _diffusion, _grid, _options) = (rows, unconditional, diffusion, grid, rows[0].Request.Options);
        _sampler = diffusion.CreateSampler(_options, sampleBound);
        using var scope = NewDisposeScope();
        Tensor sample = Noise();
        if (rows[0].Request.Start is { } start)
        {
            _step = _sampler.StartAt(start.Strength, diffusion.NumberOfTimesteps);
            if (_step > 0 || start.Strength < 1)
                sample = diffusion.AddNoise(Sources(), sample, Timesteps(_sampler.Timesteps[_step]));
        }
        _sample = sample.DetachFromDisposeScope();
    }

    /// <summary>Rows for which this is equal can be denoised together.</summary>
    public static object Settings(RowRequest request) =>
        (request.Options with { Seed = 0, NegativePrompt = "" }, request.Start?.Strength, HasMask: request.Start?.Mask is not null);

    public bool HasEnded => _step == _sampler.Timesteps.Count || _rows.All(row => row.HasEnded);

    /// <summary>What the network reads for the next step: image positions only, against what is cached, and the guidance branch beside it.</summary>
    public IEnumerable<RowPass> Begin()
    {
        double timestep = _sampler.Timesteps[_step], noise = timestep / _diffusion.NumberOfTimesteps;
        bool guides = noise >= _options.GuidanceMinNoise && noise <= _options.GuidanceMaxNoise;
        float[][] patches = ToPatches(_sample);
        _passes = [];
        for (int row = 0; row < _rows.Count; row++)
        {
            if (_rows[row].HasEnded)
                continue;
            PassPart part = PassPart.Image(patches[row], _grid.PatchCount, timestep);
            RowPass Pass(RowCache cache) => new(cache, [part], PassResult.Patches, Keeps: false);
            _passes.Add((row, Pass(_rows[row].Cache!), guides && _unconditional[row] is { } cache ? Pass(cache) : null));
        }
        return _passes.SelectMany(pass => pass.Unconditional is null ? [pass.Conditional] : (IEnumerable<RowPass>)[pass.Conditional, pass.Unconditional]);
    }

    /// <summary>Takes the step, now that the passes have their results.</summary>
    public void End()
    {
        using var scope = NewDisposeScope();
        Tensor prediction = ToImages(pass => pass.Conditional.Result);
        if (_passes.Any(pass => pass.Unconditional is not null))
            prediction = ClassifierFreeGuidance.Combine(prediction, ToImages(pass => (pass.Unconditional ?? pass.Conditional).Result), _options.GuidanceScale, _options.GuidanceRescale);
        double timestep = _sampler.Timesteps[_step];
        Tensor before = _sample, next = _sampler.Step(prediction, _step, before, _sampler.IsStochastic ? Noise() : null);
        _step++;
        if (_rows[0].Request.Start?.Mask is not null)
            next = Keep(next);
        Observe(prediction, before, timestep);
        _sample = next.DetachFromDisposeScope();
        before.Dispose();
        if (_step == _sampler.Timesteps.Count)
            Finish();
        _passes = [];
    }

    public void Dispose()
    {
        foreach (RowCache? cache in _unconditional)
            cache?.Dispose();
        _sample.Dispose();
        _sampler.Dispose();
    }

    /// <summary>Where a mask says that a source stays, it is put back, as noisy as the rest (Lugmayr et al. 2022, without their resampling).</summary>
    private Tensor Keep(Tensor sample)
    {
        Tensor source = Sources(), mask = stack([.. _rows.Select(row => row.Request.Start!.Mask!)]).to(sample.device);
        Tensor kept = _step == _sampler.Timesteps.Count ? source : _diffusion.AddNoise(source, Noise(), Timesteps(_sampler.Timesteps[_step]));
        return where(mask.IsAbove(0.5), sample, kept);
    }

    private void Observe(Tensor prediction, Tensor noisy, double timestep)
    {
        int total = _sampler.Timesteps.Count;
        for (int row = 0; row < _rows.Count; row++)
        {
            if (_rows[row].HasEnded || _rows[row].Request.Observe is not { } observe)
                continue;
            int at = row;
            var step = new DenoisingStep(_step, total, () => _diffusion.PredictSample(prediction[at].unsqueeze(0), noisy[at].unsqueeze(0), timestep)[0].cpu());
            try
            {
                observe(step);
            }
            catch (Exception exception)                     // a listener's fault: its own row's owner is told, the others' rows go on
            {
                _rows[row].Fail(exception);
            }
        }
    }

    private void Finish()
    {
        float[][] patches = ToPatches(_sample);
        for (int row = 0; row < _rows.Count; row++)
            if (!_rows[row].HasEnded)
                _rows[row].Take(_sample[row].cpu().clone().DetachFromDisposeScope(), patches[row], PassPart.Image(patches[row], _grid.PatchCount));
    }

    private Tensor Noise()
    {
        using var scope = NewDisposeScope();
        return stack([.. _rows.Select(row => randn(_grid.LatentShape, generator: row.Random))]).to(_diffusion.Device).MoveToOuterDisposeScope();
    }

    private Tensor Sources() => stack([.. _rows.Select(row => row.Request.Start!.Latents)]).to(_diffusion.Device);

    private Tensor Timesteps(double timestep) => _diffusion.Timesteps(timestep, _rows.Count);

    private unsafe float[][] ToPatches(Tensor images)
    {
        using var scope = NewDisposeScope();
        Tensor patches = _grid.Patchify(images).cpu().contiguous();
        int size = (int)(patches.NumberOfElements / _rows.Count);
        float* values = (float*)CpuKernel.Pointer(patches);
        float[][] rows = new float[_rows.Count][];
        for (int row = 0; row < rows.Length; row++)
            rows[row] = new ReadOnlySpan<float>(values + (long)row * size, size).ToArray();
        return rows;
    }

    /// <summary>Predictions as images [N, C, H, W]; zeros where a row has ended.</summary>
    private Tensor ToImages(Func<(int Row, RowPass Conditional, RowPass? Unconditional), float[]> result)
    {
        using var scope = NewDisposeScope();
        int size = _grid.PatchCount * _grid.PatchVectorSize;
        float[] values = new float[_rows.Count * size];
        foreach (var pass in _passes)
            result(pass).CopyTo(values, pass.Row * size);
        Tensor patches = tensor(values, [_rows.Count, _grid.PatchCount, _grid.PatchVectorSize]);
        return _grid.Unpatchify(patches).to(_diffusion.Device).MoveToOuterDisposeScope();
    }
}
