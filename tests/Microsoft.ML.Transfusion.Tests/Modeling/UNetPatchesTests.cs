using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

public sealed class UNetPatchesTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [Theory]
    [InlineData(1, 8, 8)]
    [InlineData(2, 8, 12)]
    [InlineData(4, 16, 8)]
    [InlineData(8, 32, 32)]
    [InlineData(8, 32, 16, 2)]
    [InlineData(4, 8, 8, 4)]
    public void Patches_of_every_size_go_in_and_pictures_come_out_and_every_weight_learns(int patchSize, int height, int width, int placeSize = 1)
    {
        var grid = new PatchGrid(3, height, width, patchSize, patchSize);
        UNetPatchShape shape = UNetPatchShape.Of(grid, placeSize, width: 8, layers: 1, hiddenSize: 24);
        var encoder = new UNetPatchEncoder(shape);
        var decoder = new UNetPatchDecoder(shape);
        ConvolutionalWeights.Initialize(encoder, new Generator(1, CPU));
        ConvolutionalWeights.Initialize(decoder, new Generator(2, CPU));

        (Tensor patches, UNetPass pass) = encoder.Forward(randn([2, 3, height, width], generator: new Generator(1, CPU)), tensor(new long[] { 0, 700 }));
        Tensor prediction = decoder.Forward(patches, pass);
        prediction.square().sum().backward();

        Assert.Equal([2, grid.PatchCount, 24], patches.shape);
        Assert.Equal([2, 3, height, width], prediction.shape);
        foreach ((string name, Parameter weight) in encoder.named_parameters().Concat(decoder.named_parameters()))
            Assert.True(weight.grad is not null && weight.grad.abs().sum().ToSingle() > 0, name);
    }

    [Fact]
    public void Patch_vectors_stand_in_raster_order()
    {
        var grid = new PatchGrid(1, 8, 12, 4, 4);
        using var noGradient = no_grad();
        Tensor picture = randn([1, 1, 8, 12], generator: new Generator(2, CPU)), changed = picture.clone(), differences = zeros(grid.PatchCount);
        changed.narrow(2, 0, 1).narrow(3, 8, 2).add_(5);                     // where strided convolutions look for the third patch
        for (ulong seed = 0; seed < 20; seed++)                              // neighbours see it too, and the norm all of it
        {
            var encoder = new UNetPatchEncoder(UNetPatchShape.Of(grid, placeSize: 1, width: 4, layers: 1, hiddenSize: 6));
            ConvolutionalWeights.Initialize(encoder, new Generator(seed, CPU));
            differences.add_((encoder.Forward(changed, zeros(1)).Patches - encoder.Forward(picture, zeros(1)).Patches).abs().sum(2)[0]);
        }

        Assert.Equal(2, differences.argmax().ToInt64());
    }

    [Fact]
    public void Patches_that_cannot_be_halved_are_refused() =>
        Assert.Contains("1, 2, 4 or 8", Assert.Throws<ArgumentException>(() => UNetPatchShape.Of(new PatchGrid(3, 9, 9, 3, 3), 1, 8, 1, 16)).Message, StringComparison.Ordinal);
}
