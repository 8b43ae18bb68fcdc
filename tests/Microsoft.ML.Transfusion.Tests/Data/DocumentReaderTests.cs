// From a view to documents: what is kept, what is skipped, and what stops a run.
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Codecs;
using Microsoft.ML.Transfusion.Data;
using Microsoft.ML.Transfusion.Imaging;
using Microsoft.ML.Transfusion.Sequences;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Data;

public sealed class DocumentReaderTests : IDisposable
{
    private readonly MLContext _ml = new(1);
    private readonly List<string> _warnings = [];
    private readonly DataCache _cache;

    public DocumentReaderTests()
    {
        _cache = new DataCache((IHostEnvironment)_ml, 1 << 20, null);
        _ml.Log += (_, e) =>
        {
            if (e.Kind == ChannelMessageKind.Warning)
                _warnings.Add(e.RawMessage);
        };
    }

    public void Dispose() => _cache.Dispose();

    [Fact]
    public void Texts_and_pixels_arrive_in_the_order_of_the_columns()
    {
        List<PictureRow> rows = TinyTraining.Rows(3);
        RowDocuments read = Read(TinyTraining.View(_ml, rows), TinyTraining.Options);
        Assert.Equal(rows.Select(row => row.Caption), read.Texts);
        IReadOnlyList<Document> documents = Encode(read, TinyTraining.Options);
        for (int i = 0; i < rows.Count; i++)
        {
            Assert.Equal(2, documents[i].Parts.Count);
            Assert.Equal(rows[i].Caption!.Length, Assert.IsType<TextPart>(documents[i].Parts[0]).TokenIds.Length);
            using Tensor latents = Assert.IsType<ImagePart>(documents[i].Parts[1]).Latents, exact = ImageTensors.ToTensor(rows[i].Image!, 8, 8);
            TensorAssert.Close(exact, latents, 0);
        }
    }

    [Fact]
    public void Missing_values_are_left_out_and_rows_without_any_are_skipped_and_counted()
    {
        List<PictureRow> rows = [new() { Caption = "text only" }, new(), new() { Image = TinyTraining.Picture(1) }, new() { Caption = "" }];
        RowDocuments read = Read(TinyTraining.View(_ml, rows), TinyTraining.Options);
        IReadOnlyList<Document> documents = Encode(read, TinyTraining.Options);
        Assert.Equal(2, documents.Count);
        Assert.IsType<TextPart>(Assert.Single(documents[0].Parts));
        Assert.IsType<ImagePart>(Assert.Single(documents[1].Parts));
        Assert.Equal("2 of 4 rows of the training data were skipped because all their values are missing.", Assert.Single(_warnings));
    }

    [Fact]
    public void Data_without_rows_is_an_error()
    {
        var none = Assert.Throws<InvalidOperationException>(() => Read(TinyTraining.View(_ml, []), TinyTraining.Options));
        Assert.Contains("0 rows were read", none.Message, StringComparison.Ordinal);
        var empty = Assert.Throws<InvalidOperationException>(() => Read(TinyTraining.View(_ml, [new(), new()]), TinyTraining.Options));
        Assert.Contains("2 rows were read, 2 of them without any value in 'Caption', 'Image'", empty.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unreadable_pictures_are_named_counted_and_skipped_or_an_error()
    {
        using var folder = new TemporaryFolder();
        using (MLImage picture = TinyTraining.Picture(1))
            picture.Save(folder.File("good.png"));
        File.WriteAllBytes(folder.File("broken.png"), [1, 2, 3]);
        string[] names = ["good.png", "broken.png", "absent.png", "good.png"];
        IDataView paths = _ml.Data.LoadFromEnumerable(names.Select(name => new { Caption = name, ImagePath = name }));
        IDataView view = _ml.Transforms.LoadImages("Image", folder.Path, "ImagePath").Fit(paths).Transform(paths);

        Assert.Equal(["good.png", "good.png"], Read(view, TinyTraining.Options).Texts);
        Assert.Equal(3, _warnings.Count);
        Assert.Contains("Row 1 of the training data (Caption 'broken.png', ImagePath 'broken.png'): the picture in column 'Image'", _warnings[0], StringComparison.Ordinal);
        Assert.Contains("ImagePath 'absent.png'", _warnings[1], StringComparison.Ordinal);
        Assert.Contains("2 of 4 rows", _warnings[2], StringComparison.Ordinal);

        TransfusionTrainer.Options strict = TinyTraining.Options with { UnreadableImages = UnreadableImages.Error };
        var error = Assert.Throws<InvalidOperationException>(() => Read(view, strict));
        Assert.Contains("Row 1", error.Message, StringComparison.Ordinal);
        Assert.Contains("UnreadableImages", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Missing_path_after_a_resize_is_a_missing_image_and_not_the_row_before()
    {
        using var folder = new TemporaryFolder();
        using (MLImage picture = TinyTraining.Picture(1, 20, 30))
            picture.Save(folder.File("a.png"));
        IDataView paths = _ml.Data.LoadFromEnumerable(((string[])["a.png", "", "a.png"]).Select(name => new { Caption = "c", ImagePath = name }));
        var pipeline = _ml.Transforms.LoadImages("Raw", folder.Path, "ImagePath").Append(_ml.Transforms.ResizeImages("Image", 8, 8, "Raw"));
        RowDocuments read = Read(pipeline.Fit(paths).Transform(paths), TinyTraining.Options);
        Assert.Equal([2, 1, 2], Encode(read, TinyTraining.Options).Select(document => document.Parts.Count));
    }

    [Fact]
    public void Document_longer_than_the_context_names_its_row_and_the_lengths()
    {
        List<PictureRow> rows = TinyTraining.Rows(3);
        rows[2].Caption = new string('x', 100);
        RowDocuments read = Read(TinyTraining.View(_ml, rows), TinyTraining.Options);
        var error = Assert.Throws<InvalidOperationException>(() => Encode(read, TinyTraining.Options));
        Assert.Contains("Row 2 takes 108 positions (100 text tokens and 1 images of 4 patches", error.Message, StringComparison.Ordinal);
        Assert.Contains("MaxSequenceLength, 64", error.Message, StringComparison.Ordinal);
    }

    private RowDocuments Read(IDataView view, TransfusionTrainer.Options options)
    {
        IHost host = ((IHostEnvironment)_ml).Register("test");
        using IChannel channel = host.Start("read");
        return new DocumentReader(host, channel, [new("Caption", IsImage: false), new("Image", IsImage: true)], options.UnreadableImages, Config(options), "training data", options.CancellationToken)
            .Read(view, new RowDocuments(Config(options), new PixelCodec(), _cache));
    }

    private static TransfusionConfig Config(TransfusionTrainer.Options options) => new() { Transformer = options.Transformer, Image = options.Image };

    // 256 tokens are the bytes: as many as the text has characters.
    private IReadOnlyList<Document> Encode(RowDocuments documents, TransfusionTrainer.Options options) =>
        documents.Encode(options.Tokenizer.Create(documents.Texts), new PixelCodec(), ((IHostEnvironment)_ml).Register("test"));
}
