// Images that start or are led otherwise: negative prompts, sources, masks.
using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Sequences;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Generation;

public sealed partial class SequenceGeneratorTests
{
    [Fact]
    public void A_negative_prompt_takes_the_place_of_no_prompt()
    {
        Document prompt = new([new TextPart([1, 2])]);
        Tensor Drawn(int[]? negative, double scale) => Images(_queue.Run([new RowRequest(prompt, RowMode.Image, Options with { GuidanceScale = scale }, 1) { NegativePrompt = negative }]));

        TensorAssert.Close(Drawn(null, 3), Drawn([], 3), 0);
        TensorAssert.Differ(Drawn(null, 3), Drawn([7, 8], 3), 1e-4);
        TensorAssert.Close(Drawn([1, 2], 3), Drawn([1, 2], 1), 1e-4);                         // away from the prompt itself: nothing is left to follow
    }

    [Fact]
    public void An_image_that_starts_at_a_source_stays_near_it_the_less_noise_it_gets()
    {
        Document prompt = new([new TextPart([1, 2])]);
        Tensor source = Draw([new Document([new TextPart([9])])], Options, [7])[0];
        GenerationOptions options = Options with { NumberOfInferenceSteps = 20 };
        double Distance(double strength) =>
            (Images(_queue.Run([new RowRequest(prompt, RowMode.Image, options, 1) { Start = new ImageStart(source, strength, null) }]))[0] - source).square().mean().ToDouble();

        Assert.InRange(Distance(0.05), 0, Distance(1));
        TensorAssert.Close(Draw([prompt], options, [1]), Images(_queue.Run([new RowRequest(prompt, RowMode.Image, options, 1) { Start = new ImageStart(source, 1, null) }])), 0);
    }

    [Fact]
    public void A_mask_keeps_the_source_where_it_says_so()
    {
        Tensor source = randn([3, 4, 4]).clamp(-1, 1), mask = zeros(1, 4, 4);
        mask.narrow(2, 0, 2).fill_(1);

        Tensor image = Images(_queue.Run([new RowRequest(new Document([new TextPart([1])]), RowMode.Image, Options, 1) { Start = new ImageStart(source, 1, mask) }]))[0];

        TensorAssert.Close(source.narrow(2, 2, 2), image.narrow(2, 2, 2), 0);
        TensorAssert.Differ(source.narrow(2, 0, 2), image.narrow(2, 0, 2), 1e-3);
    }
}
