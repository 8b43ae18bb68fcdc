// The timestep's vector against diffusers: cosines before sines, frequencies from 1 down, as guided-diffusion and DiT have it.
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Transfusion.Modeling;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Golden;

[Trait("Category", GoldenFile.Category)]
public sealed partial class TimestepEmbeddingGoldenTests : IDisposable
{
    private const double Tolerance = 1e-5;

    // The last bit of a frequency near 1 is worth 6e-8, and libraries' exp() differ in it: from here on the sine of t times a frequency is
    // known less well than the tolerance, whoever computes it, and may be off by t last bits.
    private const double LastBit = 1.0 / (1 << 23);

    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableTheory]
    [InlineData("")]
    [InlineData(GoldenFile.Second)]
    public void Sinusoids_are_those_of_diffusers(string set)
    {
        GoldenFile golden = GoldenFile.Open(set + "timestep_embedding");
        Match[] recorded = [.. golden.Tensors.Keys.Select(key => EvenSize().Match(key)).Where(match => match.Success)];
        Assert.NotEmpty(recorded);
        foreach (Match match in recorded)
        {
            Tensor timesteps = golden[match.Groups["float"].Success ? "timesteps_float" : "timesteps"];
            Tensor sinusoids = TimestepEmbedding.Sinusoids(timesteps, int.Parse(match.Groups["size"].ValueSpan, CultureInfo.InvariantCulture));
            for (int row = 0; row < timesteps.shape[0]; row++)
            {
                double uncertain = timesteps[row].to(ScalarType.Float64).ToDouble() * LastBit;
                golden.Check(match.Value + (uncertain > Tolerance ? ", late" : ""), golden[match.Value][row], sinusoids[row], Math.Max(Tolerance, uncertain));
            }
        }
    }

    [SkippableTheory]
    [InlineData("")]
    [InlineData(GoldenFile.Second)]
    public void Forward_is_the_recorded_perceptron_of_the_sinusoids(string set)
    {
        GoldenFile golden = GoldenFile.Open(set + "timestep_embedding");
        long[] first = golden["mlp.linear_1.weight"].shape, second = golden["mlp.linear_2.weight"].shape;
        using var embedding = new TimestepEmbedding((int)first[0], (int)second[0], (int)first[1]);
        using (no_grad())
        {
            foreach ((string name, TorchSharp.Modules.Parameter parameter) in embedding.named_parameters())
                parameter.copy_(golden["mlp." + name]);
        }

        golden.Check("mlp.out", embedding.forward(golden["timesteps"]), Tolerance);
    }

    [GeneratedRegex(@"^(?<float>float\.)?dim(?<size>\d*[02468])\.flip1\.shift0$")]
    private static partial Regex EvenSize();
}
