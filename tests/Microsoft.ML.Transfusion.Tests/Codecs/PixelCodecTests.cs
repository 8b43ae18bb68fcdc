using Microsoft.ML.Transfusion.Codecs;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Codecs;

public class PixelCodecTests
{
    private readonly PixelCodec _codec = new();

    [Fact]
    public void Decode_gives_back_what_Encode_was_given_when_it_is_in_range()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor pixels = rand(2, PixelCodec.Channels, 16, 24, generator: new Generator(1)) * 2 - 1;

        Tensor back = _codec.Decode(_codec.Encode(pixels));

        Assert.True(back.Equals(pixels));
    }

    [Fact]
    public void Encode_returns_a_tensor_of_its_own_so_that_disposing_it_leaves_the_pixels()
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor pixels = zeros(3, 16, 24);

        _codec.Encode(pixels).Dispose();

        Assert.Equal(0, pixels.sum().ToSingle());
    }

    [Fact]
    public void Decode_clamps_to_the_range_of_a_picture()
    {
        using DisposeScope scope = NewDisposeScope();

        Tensor pixels = _codec.Decode(tensor(new[] { -7f, -0.5f, 0.25f, 3f }));

        Assert.Equal([-1f, -0.5f, 0.25f, 1f], pixels.data<float>().ToArray());
    }
}
