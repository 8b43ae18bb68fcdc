using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Data;
using Microsoft.ML.Transfusion.Imaging;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Data;

public sealed class StoredLatentsTests : IDisposable
{
    private readonly DataCache _cache = new((IHostEnvironment)new MLContext(1), long.MaxValue, null);

    public void Dispose() => _cache.Dispose();

    [Fact]
    public void Picture_of_the_trained_size_takes_a_byte_a_value_and_comes_back_exactly()
    {
        using MLImage picture = TinyTraining.Picture(3, 32, 24);
        using Tensor pixels = ImageTensors.ToTensor(picture, 24, 32);

        using Tensor read = Store(pixels, out bool is8Bit);

        Assert.True(is8Bit);
        TensorAssert.Close(pixels, read, 0);
    }

    [Fact]
    public void Every_level_comes_back_exactly()
    {
        using Tensor levels = arange(256, ScalarType.Float32).div(127.5f).sub(1);

        using Tensor read = Store(levels, out bool is8Bit);

        Assert.True(is8Bit);
        TensorAssert.Close(levels, read, 0);
    }

    [Fact]
    public void Picture_that_was_resized_takes_16_bits_a_value_and_loses_no_more_than_they_do()
    {
        using MLImage picture = TinyTraining.Picture(3, 40, 30);
        using Tensor pixels = ImageTensors.ToTensor(picture, 24, 32);

        using Tensor read = Store(pixels, out bool is8Bit), halves = pixels.to(ScalarType.Float16), expected = halves.to(ScalarType.Float32);

        Assert.False(is8Bit);
        TensorAssert.Close(expected, read, 0);
    }

    private Tensor Store(Tensor latents, out bool is8Bit)
    {
        long address = StoredLatents.Write(latents, _cache, out is8Bit);
        return StoredLatents.Read(_cache, address, is8Bit, latents.shape);
    }
}
