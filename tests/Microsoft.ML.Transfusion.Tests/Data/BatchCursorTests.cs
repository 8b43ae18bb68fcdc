// The view that Transform returns, over a model that counts: laziness, order, and values that stay true while rows are read ahead.
using System.Collections.Concurrent;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using Microsoft.ML.Transfusion.Data;

namespace Microsoft.ML.Transfusion.Tests.Data;

public class BatchCursorTests
{
    private readonly MLContext _ml = new(1);
    private readonly CountingModel _model = new();

    public class WideRow
    {
        public string? Caption { get; set; }

        [ImageType(8, 8)]
        public MLImage? Image { get; set; }

        [VectorType(2)]
        public float[]? Numbers { get; set; }

        [VectorType]
        public string[]? Words { get; set; }

        [KeyType(100)]
        public uint Key { get; set; }
    }

    [Fact]
    public void Pass_through_columns_are_those_of_the_input_whatever_is_read_ahead()
    {
        IDataView input = _ml.Data.LoadFromEnumerable(Enumerable.Range(0, 10).Select(i => new WideRow
        {
            Caption = $"caption {i}",
            Image = i % 3 == 2 ? null : TinyTraining.Picture(i, 5 + i, 7),
            Numbers = [i, i / 2f],
            Words = [.. Enumerable.Repeat($"w{i}", i % 4)],
            Key = (uint)i + 1,
        }));
        List<string> expected = Dump(input, null);
        Assert.Equal(10, expected.Distinct().Count());
        Assert.Equal(expected, Dump(_model.Transform(_ml, input), null));
    }

    [Fact]
    public void Shuffled_rows_come_in_the_inputs_shuffled_order()
    {
        IDataView input = _ml.Data.Cache(_ml.Data.LoadFromEnumerable(Enumerable.Range(0, 30).Select(i => new { Caption = $"caption {i}", Key = i })));
        IDataView view = _model.Transform(_ml, input);
        Assert.True(view.CanShuffle);
        Assert.Equal(input.GetRowCount(), view.GetRowCount());
        List<string> expected = Dump(input, 7);
        Assert.NotEqual(Dump(input, null), expected);
        Assert.Equal(expected, Dump(view, 7));
    }

    [Fact]
    public void Nothing_is_computed_or_read_for_columns_that_nobody_reads()
    {
        var input = new WatchedView(TinyTraining.View(_ml, TinyTraining.Rows()));
        IDataView view = _model.Transform(_ml, input);
        Assert.Equal(10, _ml.Data.CreateEnumerable<NumberOnly>(view, false).Count());
        Assert.Equal(["Number"], input.AskedFor);
        using (DataViewRowCursor cursor = view.GetRowCursor(view.Schema))
        {
            cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["GeneratedText"]);
            while (cursor.MoveNext())
            {
            }
        }
        Assert.Empty(_model.Calls);
    }

    [Fact]
    public void Only_the_output_that_is_read_is_computed_and_once_for_every_batch()
    {
        var input = new WatchedView(TinyTraining.View(_ml, TinyTraining.Rows()));
        IDataView view = _model.Transform(_ml, input);
        using DataViewRowCursor cursor = view.GetRowCursor([view.Schema["GeneratedText"], view.Schema["Score"]]);
        ValueGetter<ReadOnlyMemory<char>> getter = cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["GeneratedText"]);
        ReadOnlyMemory<char> text = default;
        while (cursor.MoveNext())
        {
            getter(ref text);
            getter(ref text);
        }
        Assert.Equal([(OutputKind.Text, 4), (OutputKind.Text, 4), (OutputKind.Text, 2)], _model.Calls);
        Assert.Equal(["Caption", "Image"], input.AskedFor);
    }

    [Fact]
    public void Missing_values_give_missing_outputs_without_asking_the_model()
    {
        List<PictureRow> rows = [new(), new() { Image = TinyTraining.Picture(1) }, new() { Caption = "abc" }, new() { Caption = "" }];
        List<GeneratedRow> outputs = TinyTraining.Read(_ml, _model.Transform(_ml, TinyTraining.View(_ml, rows)));
        Assert.Equal(["", outputs[1].GeneratedText, "", ""], outputs.Select(row => row.GeneratedText));
        Assert.StartsWith("sees", outputs[1].GeneratedText, StringComparison.Ordinal);
        Assert.Equal([false, false, true, false], outputs.Select(row => row.GeneratedImage is not null));
        Assert.Equal([float.NaN, float.NaN, 0], outputs[0].Score!);
        Assert.Equal([1, float.NaN, 3], outputs[2].Score!);
        Assert.All(_model.Calls, call => Assert.True(call.Rows is 1 or 2));
    }

    [Fact]
    public void Images_stay_alive_after_their_row()
    {
        List<GeneratedRow> rows = TinyTraining.Read(_ml, _model.Transform(_ml, TinyTraining.View(_ml, TinyTraining.Rows())));
        Assert.All(rows, row => Assert.Equal(8, row.GeneratedImage!.Width));
        List<PictureRow> copies = [.. _ml.Data.CreateEnumerable<PictureRow>(_model.Transform(_ml, TinyTraining.View(_ml, TinyTraining.Rows())), false)];
        Assert.Equal(TinyTraining.Rows().Select(row => row.Image!.Pixels.ToArray()), copies.Select(row => row.Image!.Pixels.ToArray()));
    }

    [Fact]
    public void Getters_refuse_what_a_cursor_cannot_give()
    {
        IDataView view = _model.Transform(_ml, TinyTraining.View(_ml, TinyTraining.Rows(1)));
        DataViewSchema.Column column = view.Schema["GeneratedText"];
        using DataViewRowCursor cursor = view.GetRowCursor([column]);
        ValueGetter<ReadOnlyMemory<char>> getter = cursor.GetGetter<ReadOnlyMemory<char>>(column);
        ReadOnlyMemory<char> text = default;
        Assert.Throws<InvalidOperationException>(() => getter(ref text));
        Assert.True(cursor.MoveNext());
        getter(ref text);
        Assert.False(cursor.MoveNext());
        Assert.Equal(-1, cursor.Position);
        Assert.Throws<InvalidOperationException>(() => getter(ref text));
        Assert.Throws<InvalidOperationException>(() => cursor.GetGetter<MLImage>(view.Schema["Image"]));
        Assert.Throws<InvalidOperationException>(() => cursor.GetGetter<int>(column));
    }

    [Fact]
    public void Parallel_cursors_give_every_row_once_and_right()
    {
        IDataView input = _ml.Data.Cache(_ml.Data.LoadFromEnumerable(Enumerable.Range(1, 200).Select(i => new { Caption = new string('x', i) })));
        IDataView view = _model.Transform(_ml, input);
        DataViewRowCursor[] cursors = view.GetRowCursorSet(view.Schema, 4);
        var pairs = new ConcurrentBag<(int Length, byte Level)>();
        Parallel.ForEach(cursors, cursor =>
        {
            using (cursor)
            {
                var caption = cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["Caption"]);
                var image = cursor.GetGetter<MLImage>(view.Schema["GeneratedImage"]);
                ReadOnlyMemory<char> text = default;
                MLImage? picture = null;
                while (cursor.MoveNext())
                {
                    caption(ref text);
                    image(ref picture!);
                    pairs.Add((text.Length, picture.Pixels[0]));
                }
            }
        });
        Assert.Equal(Enumerable.Range(1, 200), pairs.Select(pair => pair.Length).Order());
        Assert.All(pairs, pair => Assert.Equal(MathF.Round((Math.Min(pair.Length / 10f, 1) + 1) * 127.5f), pair.Level, 1f));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(10)]
    public void Disposal_closes_the_input_at_any_row(int rows)
    {
        var input = new WatchedView(TinyTraining.View(_ml, TinyTraining.Rows()));
        IDataView view = _model.Transform(_ml, input);
        DataViewRowCursor cursor = view.GetRowCursor(view.Schema);
        for (int i = 0; i < rows; i++)
            Assert.True(cursor.MoveNext());
        Assert.Equal(1, input.OpenCursors);
        cursor.Dispose();
        cursor.Dispose();
        Assert.Equal(0, input.OpenCursors);
        Assert.False(cursor.MoveNext());
    }

    [Fact]
    public void Cursors_leave_no_tensor_behind_read_to_the_end_or_not()
    {
        List<PictureRow> rows = TinyTraining.Rows();
        LeakCheck.Holds(() =>
        {
            IDataView view = _model.Transform(_ml, TinyTraining.View(_ml, rows));
            TinyTraining.Read(_ml, view);
            Assert.Equal(2, _ml.Data.CreateEnumerable<GeneratedRow>(view, reuseRowObject: false).Take(2).Count());
        }, times: 3);
    }

    private sealed class NumberOnly
    {
        public int Number { get; set; }
    }

    private static List<string> Dump(IDataView view, int? seed)
    {
        string[] names = ["Caption", "Image", "Numbers", "Words", "Key"];
        List<DataViewSchema.Column> columns = [.. view.Schema.Where(column => names.Contains(column.Name))];
        using DataViewRowCursor cursor = view.GetRowCursor(view.Schema, seed is { } value ? new Random(value) : null);
        List<Func<string>> readers = [.. columns.Select(column => Reader(cursor, column))];
        ValueGetter<DataViewRowId> id = cursor.GetIdGetter();
        DataViewRowId rowId = default;
        List<string> rows = [];
        while (cursor.MoveNext())
        {
            id(ref rowId);
            rows.Add($"{cursor.Position} {cursor.Batch} {rowId} {string.Join(" | ", readers.Select(read => read()))}");
        }
        return rows;
    }

    private static Func<string> Reader(DataViewRow row, DataViewSchema.Column column) => column.Type switch
    {
        TextDataViewType => Reader<ReadOnlyMemory<char>>(row, column, text => text.ToString()),
        KeyDataViewType => Reader<uint>(row, column, key => $"{key}"),
        NumberDataViewType => Reader<int>(row, column, number => $"{number}"),
        ImageDataViewType => Reader<MLImage>(row, column, image => image is null ? "none" : $"{image.Width} {Convert.ToHexString(image.Pixels)}"),
        VectorDataViewType { ItemType: TextDataViewType } => Reader<VBuffer<ReadOnlyMemory<char>>>(row, column, words => string.Join(",", words.DenseValues())),
        _ => Reader<VBuffer<float>>(row, column, numbers => string.Join(",", numbers.DenseValues())),
    };

    private static Func<string> Reader<T>(DataViewRow row, DataViewSchema.Column column, Func<T, string> show)
    {
        ValueGetter<T> getter = row.GetGetter<T>(column);
        T value = default!;
        return () =>
        {
            getter(ref value);
            return show(value);
        };
    }
}
