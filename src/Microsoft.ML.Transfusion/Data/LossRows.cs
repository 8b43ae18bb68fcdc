// Losses of the Score column, summed to those of the corpus: each token counts the same, and each row with images.
using System.Text;
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Evaluation;

namespace Microsoft.ML.Transfusion.Data;

/// <param name="texts">The columns whose text was scored; null if that cannot be told.</param>
internal sealed class LossRows(DataViewSchema.Column score, IReadOnlyList<DataViewSchema.Column>? texts) : IRowMetric
{
    private Func<TransfusionScore>? _score;
    private List<Func<IEnumerable<string>>> _texts = [];
    private double _nats, _diffusion;
    private long _tokens, _bytes, _pictures;

    public IEnumerable<DataViewSchema.Column> Columns => [score, .. texts ?? []];

    public static LossRows? Create(EvaluatedColumns columns, DataViewSchema schema, EvaluationOptions options) =>
        columns.Score(options.ScoreColumnName, EvaluationOptions.DefaultScore) is { } score
            ? new LossRows(score, TextsOf(score, schema) ?? (columns.Texts(options.LabelColumnName, EvaluationOptions.DefaultLabel) is { Type: TextDataViewType } label ? [label] : null)) : null;

    public void Open(DataViewRow row)
    {
        ValueGetter<VBuffer<float>> getter = row.GetGetter<VBuffer<float>>(score);
        VBuffer<float> values = default;
        _score = () =>
        {
            getter(ref values);
            float[] dense = [.. values.DenseValues()];
            return new TransfusionScore(dense[0], dense[1], (int)dense[2]);
        };
        _texts = [.. (texts ?? []).Select(column => TextColumns.Texts(row, column))];
    }

    public void Read()
    {
        TransfusionScore values = _score!();
        if (!float.IsNaN(values.DiffusionLoss))
        {
            _diffusion += values.DiffusionLoss;
            _pictures++;
        }
        if (values.TokenCount == 0 || float.IsNaN(values.LanguageLoss))
            return;
        _nats += (double)values.LanguageLoss * values.TokenCount;
        _tokens += values.TokenCount;
        _bytes += _texts.Sum(read => read().Sum(text => (long)Encoding.UTF8.GetByteCount(text)));
    }

    public TransfusionMetrics Finish(TransfusionMetrics metrics) => metrics with
    {
        TokenCount = _tokens,
        LanguageLoss = _tokens == 0 ? null : _nats / _tokens,
        Perplexity = _tokens == 0 ? null : Perplexity.Of(_nats, _tokens),
        BitsPerByte = _bytes == 0 ? null : Perplexity.BitsPerByte(_nats, _bytes),
        DiffusionLoss = _pictures == 0 ? null : _diffusion / _pictures,
    };

    public void Dispose()
    {
    }

    /// <summary>The text columns among the scored ones, which the transformer wrote into the score's annotation.</summary>
    private static List<DataViewSchema.Column>? TextsOf(DataViewSchema.Column score, DataViewSchema schema)
    {
        if (score.Annotations.Schema.GetColumnOrNull(OutputSchemas.GeneratedFrom) is not { Type: TextDataViewType })
            return null;
        ReadOnlyMemory<char> names = default;
        score.Annotations.GetValue(OutputSchemas.GeneratedFrom, ref names);
        DataViewSchema.Column?[] columns = [.. names.ToString().Split(',').Select(schema.GetColumnOrNull)];
        return columns.Contains(null) ? null : [.. columns.OfType<DataViewSchema.Column>().Where(column => column.Type is TextDataViewType)];
    }
}
