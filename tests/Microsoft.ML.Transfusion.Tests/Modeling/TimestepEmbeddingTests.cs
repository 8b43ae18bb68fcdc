using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Tests.Golden;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Modeling;

public sealed class TimestepEmbeddingTests : IDisposable
{
    private readonly DisposeScope _scope = NewDisposeScope();

    public void Dispose() => _scope.Dispose();

    [SkippableFact]
    public void Forward_embeds_timesteps_as_diffusers_does()
    {
        Dictionary<string, Tensor> golden = GoldenFile.Read("timestep_embedding");
        using var embedding = new TimestepEmbedding(256, 256);
        using (no_grad())
        {
            foreach ((string name, TorchSharp.Modules.Parameter parameter) in embedding.named_parameters())
                parameter.copy_(name.EndsWith("weight", StringComparison.Ordinal) ? eye(256) : zeros(256));
        }

        Tensor actual = embedding.forward(golden["timesteps"]);

        TensorAssert.Close(nn.functional.silu(golden["dim256.flip1.shift0"]), actual, 2e-5);
    }
}
