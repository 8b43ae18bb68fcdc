// Image patches into the transformer: the timestep embedding is added to every patch vector, then one linear layer (Transfusion §4.1).
using Microsoft.ML.Transfusion.Torch;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

internal sealed class PatchEmbedding : nn.Module
{
    [ComponentName(Name = "time")]
    private readonly TimestepEmbedding _time;
    [ComponentName(Name = "proj")]
    private readonly Linear _projection;
    [ComponentName(Name = "position")]
    private readonly Parameter? _position;                  // [P, D]

    public PatchEmbedding(TransformerConfig config, int patchVectorSize, int patchCount) : base(nameof(PatchEmbedding))
    {
        _time = new TimestepEmbedding(config.HiddenSize, patchVectorSize);
        _projection = nn.Linear(patchVectorSize, config.HiddenSize);
        if (config.LearnedPatchPositions)
            _position = new Parameter(zeros(patchCount, config.HiddenSize));
        RegisterComponents();
    }

    /// <summary>What is added to every patch vector at timesteps [N]; [N, F].</summary>
    public Tensor TimeVectors(Tensor timesteps) => _time.forward(timesteps);

    /// <summary>Noisy patches [N, P, F] at timesteps [N] → [N, P, D].</summary>
    public Tensor Forward(Tensor patches, Tensor timesteps)
    {
        using var scope = NewDisposeScope();
        Tensor embedded = _projection.forward(patches.to(_projection.weight.dtype).Plus(_time.forward(timesteps).unsqueeze(1)));
        if (_position is not null)
            embedded = embedded.Plus(_position);
        return embedded.MoveToOuterDisposeScope();
    }
}
