// The transformer with a real, tiny model: schema, chains, PredictionEngine, saving, loading and damaged files.
using System.Diagnostics;
using System.IO.Compression;
using System.Security.Cryptography;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace Microsoft.ML.Transfusion.Tests;

public class TransfusionTransformerTests
{
    private readonly MLContext _ml = new(1);

    private static TransfusionTransformer Transformer => TinyTraining.Transformer;

    [Fact]
    public void Schema_has_the_types_and_annotations_that_the_docs_promise()
    {
        DataViewSchema schema = Transformer.GetOutputSchema(TinyTraining.View(_ml, []).Schema);
        Assert.Equal(["Caption", "Image", "Number", "GeneratedText", "GeneratedImage", "Score"], schema.Select(column => column.Name));
        Assert.Equal(TextDataViewType.Instance, schema["GeneratedText"].Type);
        Assert.Equal((8, 8), (((ImageDataViewType)schema["GeneratedImage"].Type).Height, ((ImageDataViewType)schema["GeneratedImage"].Type).Width));
        Assert.Equal(3, ((VectorDataViewType)schema["Score"].Type).Size);
        VBuffer<ReadOnlyMemory<char>> names = default;
        schema["Score"].GetSlotNames(ref names);
        Assert.Equal(["LanguageLoss", "DiffusionLoss", "TokenCount"], names.DenseValues().Select(name => name.ToString()));
        ReadOnlyMemory<char> from = default;
        schema["Score"].Annotations.GetValue("GeneratedFrom", ref from);
        Assert.Equal("Caption,Image", from.ToString());
    }

    [Fact]
    public void Columns_exist_where_their_inputs_do()
    {
        Assert.Equal(["Caption", "GeneratedImage"], Transformer.Transform(_ml.Data.LoadFromEnumerable([new { Caption = "a" }])).Schema.Select(column => column.Name));
        Assert.Throws<ArgumentOutOfRangeException>(() => Transformer.Transform(_ml.Data.LoadFromEnumerable([new { Other = "a" }])));
        Assert.Throws<ArgumentNullException>(() => Transformer.Transform(null!));
    }

    [Fact]
    public void Estimators_shape_agrees_with_the_transformers_schema()
    {
        IDataView data = TinyTraining.View(_ml, TinyTraining.Rows(1));
        // EstimatorChain compares the shape that GetOutputSchema promises with what the next estimator needs.
        var chain = _ml.Transforms.CaptionImages("Alt", Transformer).Append(_ml.Transforms.GenerateImages("Painting", Transformer, "Alt"))
            .Append(_ml.Transforms.ExtractPixels("Pixels", "Painting")).Append(_ml.Transforms.CopyColumns("Copy", "Alt"));
        DataViewSchema schema = chain.Fit(data).Transform(data).Schema;
        Assert.Equal(3 * 8 * 8, ((VectorDataViewType)schema["Pixels"].Type).Size);
    }

    [Fact]
    public void Other_columns_and_options_give_what_the_same_model_gives()
    {
        IDataView photos = _ml.Transforms.CopyColumns("Photo", "Image").Append(_ml.Transforms.CopyColumns("Prompt", "Caption"))
            .Fit(TinyTraining.View(_ml, TinyTraining.Rows())).Transform(TinyTraining.View(_ml, TinyTraining.Rows()));
        GenerationOptions options = TinyTraining.Options.Generation;
        var pipeline = _ml.Transforms.CaptionImages("GeneratedText", Transformer.Model, "Photo", options, batchSize: 4)
            .Append(_ml.Transforms.GenerateImages("GeneratedImage", Transformer, "Prompt", options, batchSize: 4))
            .Append(_ml.Transforms.CopyColumns("Score", "Number")).Append(_ml.Transforms.DropColumns("Score"));
        IDataView own = pipeline.Fit(photos).Transform(photos);
        Assert.Equal(Shown(TinyTraining.Read(_ml, Transformer.Transform(TinyTraining.View(_ml, TinyTraining.Rows())))),
            Shown([.. _ml.Data.CreateEnumerable<GeneratedPair>(own, false).Select(row => new GeneratedRow { GeneratedText = row.GeneratedText, GeneratedImage = row.GeneratedImage })]));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Transforms.CaptionImages("Alt", Transformer, "Nowhere").Fit(photos));
    }

    [Fact]
    public void RankCaptions_adds_probabilities_with_the_candidates_names()
    {
        string[] candidates = ["one", "two of them", "neither"];
        IDataView data = TinyTraining.View(_ml, TinyTraining.Rows());
        TransfusionTransformer ranker = _ml.Transforms.RankCaptions("Scores", Transformer, candidates, batchSize: 3).Fit(data);
        using var file = new MemoryStream();
        _ml.Model.Save(ranker, data.Schema, file);
        file.Position = 0;

        IDataView ranked = _ml.Model.Load(file, out _).Transform(data);

        VBuffer<ReadOnlyMemory<char>> names = default;
        ranked.Schema["Scores"].GetSlotNames(ref names);
        Assert.Equal(candidates, names.DenseValues().Select(name => name.ToString()));
        float[][] rows = [.. ranked.GetColumn<float[]>("Scores")];
        Assert.All(rows, row => Assert.Equal(1, row.Sum(), 1e-5));
        Assert.Equal(rows, [.. ranker.Transform(data).GetColumn<float[]>("Scores")]);
        Assert.Throws<ArgumentException>(() => _ml.Transforms.RankCaptions("Scores", Transformer, []));
    }

    [Fact]
    public void PredictionEngine_predicts_row_after_row()
    {
        var options = new PredictionEngineOptions { OwnsTransformer = false };
        using PredictionEngine<PictureRow, GeneratedRow> engine = _ml.Model.CreatePredictionEngine<PictureRow, GeneratedRow>(Transformer, options);
        List<PictureRow> rows = TinyTraining.Rows(3);
        List<GeneratedRow> single = [.. rows.Select(row => engine.Predict(row))], again = [.. rows.Select(row => engine.Predict(row))];
        Assert.Equal(Shown(single), Shown(again));
        Assert.Equal(3, single.Select(row => Convert.ToHexString(row.GeneratedImage!.Pixels)).Distinct().Count());
        Assert.Equal("", engine.Predict(new PictureRow { Caption = "no picture" }).GeneratedText);
        engine.Predict(rows[0]);
        LeakCheck.Holds(() => engine.Predict(rows[1]), times: 5);   // the engine holds one row's tensors, never more
    }

    [Fact]
    public void Disposal_reaches_the_model_only_where_it_is_owned()
    {
        TransfusionTransformer owner = Train();
        IDataView data = TinyTraining.View(_ml, TinyTraining.Rows(2));
        TransfusionTransformer borrower = _ml.Transforms.CaptionImages("Alt", owner).Fit(data);
        IDataView view = borrower.Transform(data);
        borrower.Dispose();
        Assert.Throws<ObjectDisposedException>(() => borrower.Transform(data));
        Assert.Equal(2, TinyTraining.Read(_ml, owner.Transform(data)).Count);
        ((IDisposable)new TransformerChain<ITransformer>(owner)).Dispose();
        owner.Dispose();
        Assert.Throws<ObjectDisposedException>(() => owner.Transform(data));
        using DataViewRowCursor cursor = view.GetRowCursor(view.Schema);
        Assert.True(cursor.MoveNext());
        ReadOnlyMemory<char> text = default;
        ValueGetter<ReadOnlyMemory<char>> getter = cursor.GetGetter<ReadOnlyMemory<char>>(view.Schema["Alt"]);
        Assert.Throws<ObjectDisposedException>(() => getter(ref text));
    }

    [Fact]
    public void Loaded_chain_gives_the_same_bits_in_this_process_and_in_one_that_never_named_the_catalog()
    {
        using var folder = new TemporaryFolder();
        string zip = folder.File("model.zip");
        List<string> lines = [];
        foreach (int i in Enumerable.Range(0, 6))
        {
            using MLImage picture = TinyTraining.Picture(i, 8 + i, 8);
            picture.Save(folder.File($"{i}.png"));
            lines.Add($"number {i}\t{i}.png");
        }
        File.WriteAllLines(folder.File("rows.tsv"), lines);
        IDataView data = _ml.Data.LoadFromTextFile<LoaderApp.Row>(folder.File("rows.tsv"));
        TransformerChain<TransfusionTransformer> model = _ml.Transforms.LoadImages("Image", folder.Path, "ImagePath")
            .Append(_ml.Generation.Trainers.Transfusion(TinyTraining.Options)).Fit(data);
        _ml.Model.Save(model, data.Schema, zip);
        string here = LoaderApp.Describe(_ml, model, folder.Path);
        ITransformer loaded = new MLContext(2).Model.Load(zip, out DataViewSchema schema);
        Assert.Equal(["Caption", "ImagePath"], schema.Select(column => column.Name));
        Assert.Equal(here, LoaderApp.Describe(new MLContext(3), loaded, folder.Path));
        Assert.Equal(Transformer.Model.Config.Transformer, _ml.Generation.GetModel(loaded).Config.Transformer);
        ((IDisposable)loaded).Dispose();
        Assert.Equal(here, RunLoaderApp(zip, folder.Path));
    }

    [Fact]
    public void CaptionImages_and_GenerateImages_save_and_load_with_a_copy_of_the_model()
    {
        IDataView data = TinyTraining.View(_ml, TinyTraining.Rows(3));
        var pipeline = _ml.Transforms.CaptionImages("GeneratedText", Transformer, options: TinyTraining.Options.Generation)
            .Append(_ml.Transforms.GenerateImages("GeneratedImage", Transformer, "Caption", TinyTraining.Options.Generation));
        var model = pipeline.Fit(data);
        using var stream = new MemoryStream();
        _ml.Model.Save(model, data.Schema, stream);
        ITransformer loaded = _ml.Model.Load(stream, out _);
        List<GeneratedPair> before = [.. _ml.Data.CreateEnumerable<GeneratedPair>(model.Transform(data), false)];
        List<GeneratedPair> after = [.. _ml.Data.CreateEnumerable<GeneratedPair>(loaded.Transform(data), false)];
        Assert.Equal(before.Select(row => row.GeneratedText), after.Select(row => row.GeneratedText));
        Assert.Equal(before.Select(row => row.GeneratedImage!.Pixels.ToArray()), after.Select(row => row.GeneratedImage!.Pixels.ToArray()));
        Assert.Contains("holds 2 Transfusion transformers", Assert.Throws<ArgumentException>(() => _ml.Generation.GetModel(loaded)).Message, StringComparison.Ordinal);
        ((IDisposable)loaded).Dispose();
        Assert.Equal(3, TinyTraining.Read(_ml, Transformer.Transform(data)).Count);
    }

    [Fact]
    public void Load_refuses_a_damaged_file_with_a_FormatException()
    {
        using var stream = new MemoryStream();
        _ml.Model.Save(Transformer, null, stream);
        byte[] good = stream.ToArray();
        foreach (byte[] truncated in (byte[][])[good[..(good.Length / 2)], good[..^10], []])
            Assert.Throws<FormatException>(() => _ml.Model.Load(new MemoryStream(truncated), out _));
        foreach (double place in (double[])[0.1, 0.5, 0.9])
            Refused(Change(good, entry => entry[(int)(entry.Length * place)] ^= 0x10));
        Refused(Change(good, _ => { }, keep: 1000));
        ((IDisposable)_ml.Model.Load(new MemoryStream(Change(good, _ => { })), out _)).Dispose();

        // ML.NET wraps what loaders throw; ours is the innermost.
        void Refused(byte[] file) => Assert.IsType<FormatException>(Assert.ThrowsAny<Exception>(() => _ml.Model.Load(new MemoryStream(file), out _)).GetBaseException());
    }

    [Fact]
    public void SaveModel_leaves_the_file_that_was_there_when_writing_fails()
    {
        using var folder = new TemporaryFolder();
        string path = folder.File("model.zip");
        _ml.Generation.SaveModel(Transformer, null, path);
        byte[] good = File.ReadAllBytes(path);
        var failing = new TransformerChain<ITransformer>(Transformer, new FailingTransformer());
        Assert.Throws<IOException>(() => _ml.Generation.SaveModel(failing, null, path));
        Assert.Equal(good, File.ReadAllBytes(path));
        Assert.Single(Directory.GetFileSystemEntries(folder.Path));
        ((IDisposable)_ml.Model.Load(path, out _)).Dispose();
    }

    private TransfusionTransformer Train() => _ml.Generation.Trainers.Transfusion(TinyTraining.Options).Fit(TinyTraining.View(_ml, TinyTraining.Rows()));

    private static IEnumerable<string> Shown(IEnumerable<GeneratedRow> rows) =>
        rows.Select(row => $"{row.GeneratedText} {Convert.ToHexString(SHA256.HashData(row.GeneratedImage!.Pixels))}");

    /// <summary>The zip with its model entry changed and deflated anew, as a damaged download that still is a zip.</summary>
    private static byte[] Change(byte[] zip, Action<byte[]> change, int? keep = null)
    {
        using var stream = new MemoryStream();
        stream.Write(zip);
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Update, leaveOpen: true))
        {
            using Stream entry = archive.Entries.Single(entry => entry.Name == "Model").Open();
            var bytes = new byte[entry.Length];
            entry.ReadExactly(bytes);
            change(bytes);
            entry.SetLength(0);
            entry.Write(bytes, 0, keep ?? bytes.Length);
        }
        return stream.ToArray();
    }

    private static string RunLoaderApp(string zip, string folder)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(LoaderApp).Assembly.Location, zip, folder]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, errors.Result);
        return output;
    }

    private sealed class GeneratedPair
    {
        public string? GeneratedText { get; set; }

        [ImageType(8, 8)]
        public MLImage? GeneratedImage { get; set; }
    }

    private sealed class FailingTransformer : ITransformer
    {
        public bool IsRowToRowMapper => false;

        public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => inputSchema;

        public IDataView Transform(IDataView input) => input;

        public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => throw new NotSupportedException();

        public void Save(ModelSaveContext ctx) => throw new IOException("No space left on device");
    }
}
