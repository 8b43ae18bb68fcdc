// A model after a few steps, for tests of what a model does however little it knows.
namespace Microsoft.ML.Transfusion.Tests;

public sealed class BriefModel : IDisposable
{
    internal TransfusionModel Model { get; } = CaptionedPictures.Train(steps: 20);

    public void Dispose() => Model.Dispose();
}

[CollectionDefinition(nameof(BriefModel))]
public sealed class BriefModelCollection : ICollectionFixture<BriefModel>;
