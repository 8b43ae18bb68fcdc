using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Transfusion.Tests;

/// <summary>The count against libtorch's own record of what it multiplied: oneDNN, which does the bfloat16 products of a CPU, prints the shape of each.</summary>
public sealed partial class FlopCountTests
{
    [SkippableTheory]
    [InlineData(nameof(PatchEncoding.Linear))]
    [InlineData(nameof(PatchEncoding.UNet))]
    [InlineData(OneStep.Codes)]
    public void Training_counts_what_libtorch_multiplies_in_a_step(string kind)
    {
        string path = Path.GetTempFileName();
        var start = new ProcessStartInfo("dotnet", [typeof(TrainingApp).Assembly.Location, OneStep.Option, kind, path]) { RedirectStandardOutput = true };
        start.Environment["ONEDNN_VERBOSE"] = "1";
        start.Environment["DOTNET_EnableAVX2"] = "0";                              // this library's own kernels, which print nothing, stand back
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
        double recorded = output.Split('\n').Where(line => line.StartsWith("onednn_verbose", StringComparison.Ordinal) && line.Contains("bf16", StringComparison.Ordinal)).Sum(Operations);
        Skip.If(recorded == 0, "oneDNN does not multiply in bfloat16 on this processor, so nothing was recorded.");

        using TransfusionModel model = TransfusionModel.Load(path);
        File.Delete(path);
        int tokens = model.Tokenizer.Encode(OneStep.Caption).Length;
        FlopCount counted = FlopCount.Training(model.Config, model.Tokenizer.VocabularySize, tokens, images: 1).Times(OneStep.Documents);

        Assert.InRange(counted.Total / recorded, 0.99, 1.01);
        Assert.True(kind == nameof(PatchEncoding.UNet) ? counted.UNet > 0.2 * counted.Total : counted.UNet == 0, $"{counted}");
    }

    [Fact]
    public void Training_of_the_papers_largest_model_is_six_operations_a_weight_and_token_and_attention()
    {
        TransfusionConfig config = new() { Transformer = TransformerConfig.Paper7B };
        FlopCount count = FlopCount.Training(config, 32_000, textTokens: 4094, images: 0);
        double blocks = 32 * (4.0 * 4096 * 4096 + 3.0 * 4096 * config.Transformer.FeedForward);        // weights of the blocks

        Assert.Equal(6 * blocks * 4096, count.Projections + count.FeedForward, 1e-9 * count.Total);
        Assert.Equal(12.0 * 32 * 4096 * 4096 * 4096, count.Attention, 1e-9 * count.Total);
        Assert.Equal(6.0 * 4095 * 4096 * 32_000, count.LanguageHead, 1e-9 * count.Total);
        Assert.Equal(0, count.PatchLayers + count.UNet);
    }

    [Fact]
    public void Drawing_grows_with_steps_and_is_twice_as_much_with_guidance_of_an_empty_caption()
    {
        TransfusionConfig config = new();
        FlopCount one = FlopCount.Drawing(config, 300, 10, steps: 1, isGuided: false), eleven = FlopCount.Drawing(config, 300, 10, steps: 11, isGuided: false);
        FlopCount twentyOne = FlopCount.Drawing(config, 300, 10, steps: 21, isGuided: false), guided = FlopCount.Drawing(config, 300, 0, steps: 5, isGuided: true);

        Assert.Equal(eleven.Total - one.Total, twentyOne.Total - eleven.Total, 1.0);
        Assert.Equal(2 * FlopCount.Drawing(config, 300, 0, steps: 5, isGuided: false).Total, guided.Total, 1.0);
        Assert.Equal(0, one.LanguageHead);
        Assert.Throws<ArgumentOutOfRangeException>(() => FlopCount.Drawing(config, 300, 10, steps: 0, isGuided: false));
    }

    [Fact]
    public void Captioning_token_by_token_is_one_pass_over_all_but_for_attention()
    {
        TransfusionConfig config = new();
        FlopCount caption = FlopCount.Captioning(config, 300, captionTokens: 7), training = FlopCount.Training(config, 300, textTokens: 7, images: 1);

        // The caption's seven tokens and the picture with BOS, BOI and EOI; training has EOS as well, which nothing follows.
        double positions = 7 + 67, trained = 7 + 68;
        Assert.Equal(training.FeedForward / 3 / trained, caption.FeedForward / positions, 1.0);
        Assert.Equal(training.Projections / 3 / trained, caption.Projections / positions, 1.0);
        Assert.True(caption.Attention < training.Attention / 3);
        Assert.Equal(8.0 * 2 * 300 * config.Transformer.HiddenSize, caption.LanguageHead, 1.0);
    }

    /// <summary>Multiplications and additions of one line of the record; 0 for what is no product.</summary>
    private static double Operations(string line)
    {
        string[] fields = line.Split(',');
        int at = Array.FindIndex(fields, field => field is "matmul" or "convolution" or "inner_product");
        if (at < 0 || !fields.Contains("exec"))
            return 0;
        string shape = fields[^2];
        if (fields[at] == "matmul")
        {
            double[][] sides = [.. shape.Split(':').Select(side => side.Split('x').Select(Number).ToArray())];
            return 2 * sides[0].Aggregate(1.0, (product, size) => product * size) * sides[1][^1];
        }
        Dictionary<string, double> sizes = SizePattern().Matches(shape).ToDictionary(match => match.Groups[1].Value, match => Number(match.Groups[2].Value));
        double Size(string name) => sizes.GetValueOrDefault(name, 1);
        return 2 * Size("mb") * Size("ic") * Size("oc") * Size("oh") * Size("ow") * Size("kh") * Size("kw");

        static double Number(string digits) => double.Parse(digits, CultureInfo.InvariantCulture);
    }

    [GeneratedRegex("([a-z]+)([0-9]+)")]
    private static partial Regex SizePattern();
}
