// An autoencoder and what its files say of it.
using System.Globalization;
using Microsoft.ML.Transfusion.Modeling;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Serialization;

/// <param name="Notes">Strings beside the weights, which other programs pass over.</param>
internal sealed record StoredAutoencoder(AutoencoderConfigFile Config, AutoencoderNetwork Network, IReadOnlyDictionary<string, string> Notes) : IDisposable
{
    private const string FeaturesNote = "perceptual_features", UsageNote = "codebook_usage";

    /// <summary>Which features judged likeness in training; null where nobody wrote it down.</summary>
    public string? PerceptualFeatures => Notes.GetValueOrDefault(FeaturesNote);

    /// <summary>Share of the codes in use at the end of training; null where nobody wrote it down.</summary>
    public double? CodebookUsage => Notes.TryGetValue(UsageNote, out string? share) && double.TryParse(share, CultureInfo.InvariantCulture, out double usage) ? usage : null;

    public static IReadOnlyDictionary<string, string> NotesOf(string features, double? codebookUsage) => codebookUsage is { } usage
        ? new Dictionary<string, string> { [FeaturesNote] = features, [UsageNote] = usage.ToString(CultureInfo.InvariantCulture) }
        : new Dictionary<string, string> { [FeaturesNote] = features };

    /// <summary>The same with weights of its own, on a device.</summary>
    public StoredAutoencoder Copy(Device device)
    {
        using var noGradient = no_grad();
        using var scope = NewDisposeScope();
        AutoencoderNetwork copy = Config.CreateNetwork();
        Dictionary<string, Tensor> weights = Network.state_dict();
        foreach ((string name, Tensor weight) in copy.state_dict())
            weight.copy_(weights[name]);
        copy.MoveTo(device);
        return this with { Network = copy };
    }

    public void Dispose() => Network.Dispose();
}
