// Caption metrics: generated captions beside their references, one picture a row or a group of rows.
using Microsoft.ML.Data;
using Microsoft.ML.Transfusion.Evaluation;

namespace Microsoft.ML.Transfusion.Data;

internal sealed class CaptionRows(DataViewSchema.Column label, DataViewSchema.Column generated, DataViewSchema.Column? group,
    CaptionDocumentFrequencies? frequencies) : IRowMetric
{
    private readonly List<(string[] Candidate, List<string[]> References)> _pictures = [];
    private readonly Dictionary<string, int> _groups = new(StringComparer.Ordinal);
    private Func<IEnumerable<string>>? _references;
    private Func<string>? _candidate, _group;

    public IEnumerable<DataViewSchema.Column> Columns => group is null ? [label, generated] : [label, generated, group.Value];

    public static CaptionRows? Create(EvaluatedColumns columns, EvaluationOptions options)
    {
        DataViewSchema.Column? label = columns.Texts(options.LabelColumnName, EvaluationOptions.DefaultLabel);
        DataViewSchema.Column? generated = columns.Text(options.GeneratedTextColumnName, EvaluationOptions.DefaultText);
        DataViewSchema.Column? group = columns.Text(options.RowGroupColumnName);
        return label is null || generated is null ? null : new CaptionRows(label.Value, generated.Value, group, options.DocumentFrequencies);
    }

    public void Open(DataViewRow row)
    {
        _references = TextColumns.Texts(row, label);
        _candidate = TextColumns.Text(row, generated);
        _group = group is null ? null : TextColumns.Text(row, group.Value);
    }

    public void Read()
    {
        List<string[]> references = [.. _references!().Select(CaptionTokenizer.Split).Where(words => words.Length > 0)];
        if (references.Count == 0)
            return;
        if (_group is not null && !_groups.TryAdd(_group(), _pictures.Count))
            _pictures[_groups[_group()]].References.AddRange(references);
        else
            _pictures.Add((CaptionTokenizer.Split(_candidate!()), references));
    }

    public TransfusionMetrics Finish(TransfusionMetrics metrics)
    {
        if (_pictures.Count == 0)
            return metrics with { CaptionCount = 0 };
        List<CaptionPair> pairs = [.. _pictures.Select(picture => new CaptionPair(picture.Candidate, picture.References))];
        CaptionMetrics captions = CaptionMetrics.OfCorpus(pairs, frequencies ?? CaptionDocumentFrequencies.Count(pairs.Select(pair => pair.References)));
        return metrics with
        {
            CaptionCount = pairs.Count,
            Bleu1 = captions.Bleu1,
            Bleu2 = captions.Bleu2,
            Bleu3 = captions.Bleu3,
            Bleu4 = captions.Bleu4,
            RougeL = captions.RougeL,
            Cider = captions.Cider,
        };
    }

    public void Dispose()
    {
    }
}
