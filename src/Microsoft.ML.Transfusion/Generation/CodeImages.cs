// Images of codes that began at the same moment: each step chooses one code, left to right and top to bottom, as text is written (Chameleon; Transfusion §4.1).
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Torch;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Generation;

internal sealed class CodeImages : IGrowingImages
{
    private readonly IReadOnlyList<GenerationRow> _rows;
    private readonly IReadOnlyList<RowCache?> _unconditional;
    private readonly PatchGrid _grid;
    private readonly SpecialTokens _special;
    private readonly GenerationOptions _options;
    private readonly bool[] _allowed;
    private readonly float[][] _codes;                      // of each row
    private int _step;
    private List<(int Row, RowPass Conditional, RowPass? Unconditional)> _passes = [];

    /// <param name="rows">Rows whose caches end before BOI.</param>
    /// <param name="unconditional">What guidance leads away from, one for each row and owned by this; null where there is no guidance.</param>
    /// <param name="vocabularySize">Codes included.</param>
    public CodeImages(IReadOnlyList<GenerationRow> rows, IReadOnlyList<RowCache?> unconditional, PatchGrid grid, SpecialTokens special, int vocabularySize)
    {
        (_rows, _unconditional, _grid, _special) = (rows, unconditional, grid, special);
        // Codes are always sampled: the likeliest picture is a blank one.
        _options = rows[0].Request.Options with { Temperature = 1, RepetitionPenalty = 1 };
        _allowed = [.. Enumerable.Range(0, vocabularySize).Select(id => id >= special.FirstCode)];
        _codes = [.. rows.Select(_ => new float[grid.PatchCount])];
    }

    public bool HasEnded => _step == _grid.PatchCount || _rows.All(row => row.HasEnded);

    public IEnumerable<RowPass> Begin()
    {
        _passes = [];
        for (int row = 0; row < _rows.Count; row++)
        {
            if (_rows[row].HasEnded)
                continue;
            PassPart before = PassPart.Tokens(_step == 0 ? _special.BeginOfImage : _special.FirstCode + (int)_codes[row][_step - 1]);
            RowPass Pass(RowCache cache) => new(cache, [before], PassResult.LastLogits);
            _passes.Add((row, Pass(_rows[row].Cache!), _unconditional[row] is { } cache ? Pass(cache) : null));
        }
        return _passes.SelectMany(pass => pass.Unconditional is null ? [pass.Conditional] : (IEnumerable<RowPass>)[pass.Conditional, pass.Unconditional]);
    }

    public void End()
    {
        foreach ((int row, RowPass conditional, RowPass? unconditional) in _passes)
        {
            int token = TokenSampler.Sample(Guide(conditional.Result, unconditional?.Result), _allowed, _options, [], _rows[row].Random).Token;
            _codes[row][_step] = KeptCode(_rows[row].Request.Start, _step) ?? token - _special.FirstCode;
        }
        _step++;
        foreach ((int row, _, _) in _passes)
            Observe(_rows[row], _codes[row]);
        if (_step == _grid.PatchCount)
            foreach ((int row, _, _) in _passes)
                if (!_rows[row].HasEnded)
                    _rows[row].Take(ToLatents(_codes[row]).DetachFromDisposeScope(), _codes[row], PassPart.Tokens(_special.FirstCode + (int)_codes[row][^1]));
        _passes = [];
    }

    public void Dispose()
    {
        foreach (RowCache? cache in _unconditional)
            cache?.Dispose();
    }

    /// <summary>Classifier-free guidance on logits.</summary>
    private float[] Guide(float[] conditional, float[]? unconditional)
    {
        if (unconditional is null)
            return conditional;
        float scale = (float)_options.GuidanceScale;
        return [.. conditional.Zip(unconditional, (with, without) => without + scale * (with - without))];
    }

    /// <summary>Where a mask says that a source stays, its code.</summary>
    private static float? KeptCode(ImageStart? start, int at) =>
        start?.Mask is { } mask && mask.data<float>()[at] <= 0.5f ? start.Latents.data<float>()[at] : null;

    private void Observe(GenerationRow row, float[] codes)
    {
        if (row.Request.Observe is not { } observe)
            return;
        float[] soFar = [.. codes];
        try
        {
            observe(new DenoisingStep(_step, _grid.PatchCount, () => ToLatents(soFar)));
        }
        catch (Exception exception)                         // a listener's fault: its own row's owner is told, the others' rows go on
        {
            row.Fail(exception);
        }
    }

    private Tensor ToLatents(float[] codes) => tensor(codes, [1, _grid.Height, _grid.Width]);
}
