// A linear layer without bias, as all of Llama's are.
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Modeling;

/// <summary>x · weightᵀ: [.., inputs] → [.., outputs]. The weight is filled by <see cref="TransfusionNetwork.Initialize"/>.</summary>
internal sealed class Projection : nn.Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")]
    private readonly Parameter _weight;                     // [outputs, inputs]

    public Projection(int inputs, int outputs) : base(nameof(Projection))
    {
        _weight = new Parameter(zeros(outputs, inputs));
        RegisterComponents();
    }

    public Parameter Weight => _weight;

    public override Tensor forward(Tensor input) => nn.functional.linear(input, _weight);
}
