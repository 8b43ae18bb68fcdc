// A model that was trained on eight captioned pictures until it knew them by heart; trained once for all tests that need it.
namespace Microsoft.ML.Transfusion.Tests;

public sealed class RecitingModel : IDisposable
{
    internal TransfusionModel Model { get; } = CaptionedPictures.Train(steps: 1000);

    public void Dispose() => Model.Dispose();
}

[CollectionDefinition(nameof(RecitingModel))]
public sealed class RecitingModelCollection : ICollectionFixture<RecitingModel>;
