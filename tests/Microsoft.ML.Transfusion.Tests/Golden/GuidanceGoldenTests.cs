// Classifier-free guidance and its rescale, against diffusers' Stable Diffusion pipeline.
using Microsoft.ML.Transfusion.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed class GuidanceGoldenTests : IDisposable
{
    private const double Tolerance = 1e-5;
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableFact]
    public void Combine_and_its_rescale_are_those_of_diffusers()
    {
        GoldenFile golden = GoldenFile.Open("cfg");
        double scale = golden.Config.GetProperty("scale").GetDouble(), rescale = golden.Config.GetProperty("guidance_rescale").GetDouble();
        string guided = Assert.Single(golden.Tensors.Keys, key => key.StartsWith("cfg", StringComparison.Ordinal));
        string rescaled = Assert.Single(golden.Tensors.Keys, key => key.StartsWith("rescaled", StringComparison.Ordinal));

        golden.Check("guided", golden[guided], ClassifierFreeGuidance.Combine(golden["cond"], golden["uncond"], scale), Tolerance);
        golden.Check("rescaled", golden[rescaled], ClassifierFreeGuidance.Combine(golden["cond"], golden["uncond"], scale, rescale), Tolerance);
    }
}
