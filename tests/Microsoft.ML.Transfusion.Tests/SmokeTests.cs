using TorchSharp;
namespace Microsoft.ML.Transfusion.Tests;
public class SmokeTests { [Fact] public void Torch_loads() { Microsoft.ML.Transfusion.Torch.NativeTorch.Require(); Assert.Equal(2f, torch.ones(2).sum().ToSingle()); } }
