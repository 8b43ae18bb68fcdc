using System.Text.Json;
using System.Text.Json.Serialization;

namespace Microsoft.ML.Transfusion.Tests;

public sealed class GenerationOptionsTests
{
    private static readonly JsonSerializerOptions Json = new() { Converters = { new JsonStringEnumConverter() } };     // as transformers save them

    [Fact]
    public void Options_saved_before_there_were_other_samplers_mean_what_they_meant()
    {
        const string Saved = """
            {"Sampler":"Ddim","NumberOfInferenceSteps":25,"Spacing":"Trailing","GuidanceScale":3,"MaxNewTokens":64,"Temperature":0,"TopK":0,"TopP":1,"Seed":1}
            """;

        GenerationOptions options = JsonSerializer.Deserialize<GenerationOptions>(Saved, Json)!;

        Assert.Equal(new GenerationOptions { Sampler = DiffusionSamplerType.Ddim, NumberOfInferenceSteps = 25 }, options);
        options.Validate();
        Assert.Equal(DiffusionSamplerType.Ddim, options.RequireFit(new DiffusionConfig()));
    }

    [Fact]
    public void Options_are_the_same_after_saving()
    {
        GenerationOptions options = GenerationOptions.Paper with
        {
            Variance = DdpmVariance.FixedLarge,
            Eta = 0.25,
            Shift = 3,
            GuidanceRescale = 0.7,
            TimestepOffset = 2,
            DpmSolver = new() { Order = 3, IsStochastic = false, Type = DpmSolverType.Heun, UseKarrasSigmas = true, FinalSigma = DpmSolverFinalSigma.Minimum, LowerOrderFinal = false },
        };

        Assert.Equal(options, JsonSerializer.Deserialize<GenerationOptions>(JsonSerializer.Serialize(options, Json), Json));
    }
}
