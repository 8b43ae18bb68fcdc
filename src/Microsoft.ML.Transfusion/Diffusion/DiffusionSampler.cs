// The reverse process: from noise to an image in a number of steps, each with one prediction of the network. One sampler draws one batch.
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Diffusion;

internal abstract class DiffusionSampler : IDisposable
{
    /// <summary>The timestep that the network is told before each step, the noisiest first.</summary>
    public abstract IReadOnlyList<double> Timesteps { get; }

    /// <summary>The step that a walk begins with; those before it are left out.</summary>
    protected int FirstStep { get; private set; }

    /// <summary>Begins on the way, at an image that is not all noise.</summary>
    /// <param name="strength">Share of the way back from pure noise, in (0, 1].</param>
    /// <param name="numberOfTimesteps">T.</param>
    /// <returns>The first step: that of the noisiest timestep up to the strength; the last one where all are above.</returns>
    public int StartAt(double strength, int numberOfTimesteps)
    {
        while (FirstStep < Timesteps.Count - 1 && Timesteps[FirstStep] > strength * numberOfTimesteps)
            FirstStep++;
        return FirstStep;
    }

    /// <summary>Whether steps use the noise they are given.</summary>
    public virtual bool IsStochastic => false;

    /// <summary>From the noisy image before a step to the less noisy one after it; all tensors have the shape of the images.</summary>
    /// <param name="prediction">The network's prediction for <paramref name="noisySample"/> at <c>Timesteps[step]</c>.</param>
    /// <param name="step">0, 1, 2, …: samplers that look back need all steps from the first on, in order.</param>
    /// <param name="noisySample">x_t.</param>
    /// <param name="noise">Fresh standard normal noise, if the sampler is stochastic; the last step ignores it.</param>
    public abstract Tensor Step(Tensor prediction, int step, Tensor noisySample, Tensor? noise = null);

    public virtual void Dispose()
    {
    }
}
