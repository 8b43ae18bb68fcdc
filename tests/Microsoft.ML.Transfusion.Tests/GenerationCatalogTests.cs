// ml.Generation and the transforms: the names users type.
using Microsoft.ML.Data;

namespace Microsoft.ML.Transfusion.Tests;

public class GenerationCatalogTests
{
    private readonly MLContext _ml = new(1);

    [Fact]
    public void Folder_of_captioned_pictures_trains_captions_and_draws_through_ordinary_transforms()
    {
        using var folder = new TemporaryFolder();
        for (int i = 0; i < 4; i++)
        {
            using MLImage picture = TinyTraining.Picture(i, 12, 9);
            picture.Save(folder.File($"{i}.png"));
            File.WriteAllText(folder.File($"{i}.txt"), $"no {i}");
        }
        IDataView data = _ml.Generation.LoadCaptionedImages(folder.Path);
        using TransformerChain<TransfusionTransformer> model = _ml.Transforms.LoadImages("Image", "", "ImagePath")
            .Append(_ml.Generation.Trainers.Transfusion(TinyTraining.Options)).Fit(data);
        List<Output> rows = [.. _ml.Data.CreateEnumerable<Output>(model.Transform(data), reuseRowObject: false)];
        Assert.Equal(["no 0", "no 1", "no 2", "no 3"], rows.Select(row => row.Caption));
        Assert.All(rows, row => Assert.Equal((8, 8), (row.GeneratedImage!.Width, row.GeneratedImage.Height)));
    }

    [Fact]
    public void Catalog_is_there_without_the_extension_property_too()
    {
        var catalog = new GenerationCatalog(_ml);
        Assert.NotNull(catalog.Trainers.Transfusion("Text", "Picture", numberOfSteps: 1));
        Assert.Throws<ArgumentNullException>(() => new GenerationCatalog(null!));
        Assert.Throws<ArgumentNullException>(() => catalog.Trainers.Transfusion(null!));
    }

    [Fact]
    public void Transforms_refuse_bad_arguments_at_once()
    {
        TransfusionModel model = TinyTraining.Transformer.Model;
        Assert.Throws<ArgumentNullException>(() => _ml.Transforms.CaptionImages("Alt", (TransfusionModel)null!));
        Assert.Throws<ArgumentNullException>(() => _ml.Transforms.GenerateImages("Painting", (TransfusionTransformer)null!));
        Assert.Throws<ArgumentException>(() => _ml.Transforms.CaptionImages("", model));
        Assert.Throws<ArgumentException>(() => _ml.Transforms.GenerateImages("Painting", model, " "));
        Assert.Throws<ArgumentOutOfRangeException>(() => _ml.Transforms.CaptionImages("Alt", model, batchSize: 0));
    }

    [Fact]
    public void GetModel_finds_no_model_where_there_is_none() =>
        Assert.Throws<ArgumentException>(() => _ml.Generation.GetModel(_ml.Transforms.CopyColumns("B", "A").Fit(_ml.Data.LoadFromEnumerable([new { A = 1 }]))));

    private sealed class Output
    {
        public string? Caption { get; set; }

        [Transforms.Image.ImageType(8, 8)]
        public MLImage? GeneratedImage { get; set; }
    }
}
